# SPDX-License-Identifier: Apache-2.0
"""Time transfers: between boards over the native runtime, and between the host and boards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

from ...cost.records import Transfer
from ...cost.traces import (
    Setting,
    TransferTrace,
    append_transfers,
    read_transfers,
    transfer_configuration,
)
from ...plan import ClusterSpec
from ...plan.model.losses import remaining
from ...runtime import Artifact, Deployment
from ...runtime.board_errors import root_cause
from ...runtime.host_link import HostLink
from ...runtime.latency import timed
from ...runtime.session import Session
from ...runtime.workers import Workers
from .exchange_program import build_exchanges
from .progress import Progress
from .sampler import SAMPLER
from .timing import spread
from .transfers import DrawnTransfer, barrier, draw_exchange, draw_host_transfer

DEADLINE = 30.0
WARM_UP = 3


@dataclass(frozen=True)
class TransferOptions:
    """What to time and for how long.

    Parameters
    ----------
    seconds : float
        No batch is begun after so long.
    transfers : int
        Nor once so many have been timed.
    seed : int
        Of tensors and regions.
    batch : int
        Exchanges per build; half as many host transfers follow.
    repeats : int
        Timings of each.
    fewest : int
        Transfers are among so many boards or more; 0 means all of them.
    """

    seconds: float
    transfers: int
    seed: int = 0
    batch: int = 24
    repeats: int = 31
    fewest: int = 2


class TransferProfiler:
    """Times transfers among the first 2, 3, ... boards of a cluster in turns.

    Parameters
    ----------
    sessions : sequence of Session
        Two boards at least.
    cluster : ClusterSpec
        What their links are; kept with every trace.
    setting : Setting
        Where it happens.
    """

    def __init__(self, sessions: Sequence[Session], cluster: ClusterSpec, setting: Setting):
        self._sessions, self._cluster, self._setting = list(sessions), cluster, setting
        self.progress = Progress()

    def run(self, store: Path, options: TransferOptions) -> Iterator[int]:
        """Profile transfers into a store, exchange by exchange.

        Parameters
        ----------
        store : Path
            The trace store's folder; it is added to.
        options : TransferOptions
            How long, how many, between how many boards.

        Yields
        ------
        timed : int
            Transfers timed so far, after every batch.

        Raises
        ------
        BoardError
            If a board is lost.
        """
        traces = read_transfers(store) if store.is_dir() else []
        known = {transfer_configuration(trace.transfer) for trace in traces}
        count, self.progress.start = len(traces), time.monotonic()
        while self.progress.below(options.seconds, options.transfers):
            # What is in the store decides what comes next, so that nothing is drawn again.
            rng = np.random.default_rng((options.seed, count + self.progress.timed))
            most = len(self._sessions)
            boards = int(rng.integers(options.fewest or most, most + 1))
            found = [*self._exchanges(rng, boards, options), *self._host(rng, boards, options)]
            fresh = [t for t in found if transfer_configuration(t.transfer) not in known]
            known.update(transfer_configuration(t.transfer) for t in fresh)
            append_transfers(store, fresh)
            yield self.progress.add(fresh)

    def _exchanges(
        self, rng: np.random.Generator, boards: int, options: TransferOptions
    ) -> list[TransferTrace]:
        cluster = remaining(self._cluster, range(boards))
        drawn: list[DrawnTransfer] = []
        for _ in range(options.batch):
            drawn += [barrier(boards, len(drawn)), draw_exchange(rng, boards, len(drawn) + 1)]
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "exchanges.flexpie"
            artifact = build_exchanges(drawn, cluster, self._setting.target, path)
            times = exchange_times(artifact, self._sessions[:boards], options.repeats)
        return [
            self._trace(drawn[k].record(cluster.links), times[:, k])
            for k in range(1, len(drawn), 2)
        ]

    def _host(
        self, rng: np.random.Generator, boards: int, options: TransferOptions
    ) -> list[TransferTrace]:
        links = remaining(self._cluster, range(boards)).links
        traces = []
        for number in range(options.batch // 2):
            drawn = draw_host_transfer(rng, boards)
            kind = ("scatter", "gather")[number % 2]
            times = host_times(drawn, kind, self._sessions[:boards], options.repeats)
            traces.append(self._trace(drawn.host_record(kind, links), times))
        return traces

    def _trace(self, transfer: Transfer, times: np.ndarray) -> TransferTrace:
        median = float(np.median(times))
        return TransferTrace(transfer, median, spread(times), len(times), SAMPLER, self._setting)


def exchange_times(artifact: Artifact, sessions: Sequence[Session], repeats: int) -> np.ndarray:
    """Milliseconds of every exchange of an artifact: the slowest board's, as it counts itself.

    Returns
    -------
    times : numpy.ndarray
        Repeats x exchanges.
    """
    rng = np.random.default_rng(0)
    inputs = {p.name: _values(rng, p.shape, p.dtype) for p in artifact.inputs}
    count = len(artifact.inputs)
    times = np.zeros((repeats, count))
    with Deployment(artifact, list(sessions), DEADLINE) as deployment:
        deployment.each(lambda runner: runner.scatter(inputs))
        for frame in range(WARM_UP + repeats):
            deployment.run_in_place()
            if frame >= WARM_UP:
                times[frame - WARM_UP] = _slowest(deployment.stats(), count)
    return times


def _slowest(boards: Sequence[dict], count: int) -> np.ndarray:
    slowest = np.zeros(count)
    for board in boards:
        for entry in board["exchanges"]:
            taken = (entry["last_end_ns"] - entry["last_start_ns"]) / 1e6
            slowest[entry["id"]] = max(slowest[entry["id"]], taken)
    return slowest


def host_times(
    drawn: DrawnTransfer, kind: str, sessions: Sequence[Session], repeats: int
) -> np.ndarray:
    """Milliseconds of scattering or gathering a tensor, its boards at once as in a run."""
    tensor = drawn.tensor
    data = _values(np.random.default_rng(0), tensor.shape, tensor.dtype)
    regions = drawn.need if kind == "scatter" else drawn.owned
    with ExitStack() as stack:
        links = [
            None if r.is_empty else stack.enter_context(_link(rank, s, kind, r.shape, tensor.dtype))
            for rank, (r, s) in enumerate(zip(regions, sessions, strict=True))
        ]
        workers = Workers(len(sessions), [session.in_use for session in sessions])
        stack.callback(workers.close)

        ranks = {rank for rank, link in enumerate(links) if link is not None}

        def move(rank: int) -> None:
            region, link = regions[rank], links[rank]
            if kind == "scatter":
                link.scatter([data[region.slices()]])
            else:
                (data[region.slices()],) = link.gather()

        def everywhere() -> None:
            _, failures, silent = workers.each(move, DEADLINE, ranks=ranks)
            if failures or silent:
                raise root_cause(failures, silent, DEADLINE) from None

        return np.array([timed(everywhere) for _ in range(WARM_UP + repeats)][WARM_UP:])


@contextmanager
def _link(
    rank: int, session: Session, kind: str, shape: tuple[int, ...], dtype: str
) -> Iterator[HostLink]:
    """A link for one array on a board, in one direction."""
    array = tvm.nd.empty(shape, dtype, session.remote.cpu(0))
    received, sent = ([array], []) if kind == "scatter" else ([], [array])
    with closing(HostLink(rank, session, received, sent, DEADLINE)) as link:
        yield link


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "int8":
        return rng.integers(-128, 128, shape, dtype=np.int8)
    return rng.standard_normal(shape, dtype=np.float32)
