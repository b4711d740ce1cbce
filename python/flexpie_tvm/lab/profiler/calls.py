# SPDX-License-Identifier: Apache-2.0
"""What an inference takes beyond what its boards compute: timed with a small network."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import tvm
from tvm import relay

from ...compiler import import_model, prepare
from ...cost.host_calls import TimedInference
from ...cost.records import Transfer
from ...graph import empty
from ...plan import ClusterSpec
from ...plan.model.losses import remaining
from ...plan.predict.evaluate import host_transfers, taking_part
from ...relay import Partitioned, partition
from ...relay.targets import targets_of
from ...runtime import Artifact, Deployment, build
from ...runtime.latency import timed
from ...runtime.session import Session

DEADLINE = 30.0
#: Products of a batch of rows with square weights: little to send, and work for each board.
ROWS, WIDTH, LAYERS = 16, 512, 4
#: Boards are made ready so many times, since how they meet on cores is settled anew each time.
PASSES, ROUNDS, RUNS, WARM_UP = 3, 12, 10, 20
#: Of what boards count that share cores, the part that has no other's turn in it. Of whole
#: inferences the median is kept: by their lower quartile several boards, which vary more, seemed to
#: gain more often than they did (3 and 7 of 22 cases, else 2 and 3).
UNDISTURBED = 0.25


@dataclass(frozen=True)
class _Ready:
    """The network for some of the boards."""

    artifact: Artifact
    cut: Partitioned

    @property
    def boards(self) -> int:
        """How many have a part of it."""
        return len(taking_part(self.cut.plan.geometry(self.cut.graph)))


@dataclass(frozen=True)
class Rounds:
    """What rounds of inferences took, all in milliseconds.

    Parameters
    ----------
    took : numpy.ndarray
        One inference, on average of each round.
    mean_spans, last_spans : numpy.ndarray
        Rounds x boards: what each board counts itself, on average and of the last inference.
    """

    took: np.ndarray
    mean_spans: np.ndarray
    last_spans: np.ndarray


def time_calls(
    sessions: Sequence[Session], cluster: ClusterSpec, target: str, seconds: float
) -> list[TimedInference]:
    """Time inferences of a small network: on one of the boards, on two, and on all.

    Its rows are shared out, so boards do not wait for each other. They have something to compute
    because the host and boards that were busy answer later than those that only wait.

    Parameters
    ----------
    sessions : sequence of Session
        The boards, at least one.
    cluster : ClusterSpec
        What their links are, and how many of them compute at once.
    target : str
        Of the boards.
    seconds : float
        After it is built, no further pass is begun that would likely end later.

    Returns
    -------
    inferences : list of TimedInference
        For each number of boards; their transfers are over the links of all boards.

    Raises
    ------
    BoardError
        If a board is lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = list(_built(cluster, target, Path(folder)))
        found: list[list[Rounds]] = [[] for _ in made]
        start, longest = time.monotonic(), 0.0
        for _ in range(PASSES):
            begun = time.monotonic()
            if longest and begun - start + longest > seconds:
                break
            for ready, passes in zip(made, found, strict=True):
                passes.append(_rounds(ready.artifact, sessions))
            longest = max(longest, time.monotonic() - begun)
    return [
        TimedInference(one.boards, outside(passes, one.cut.plan.cluster), _moved(one.cut, cluster))
        for one, passes in zip(made, found, strict=True)
    ]


def _built(cluster: ClusterSpec, target: str, folder: Path) -> Iterator[_Ready]:
    rows = max(ROWS, 2 * cluster.boards)
    ready = prepare(import_model(_network(rows)), targets_of(target, cluster.boards))
    for count in sorted({1, min(2, cluster.boards), cluster.boards}):
        scheme = "InH" if count > 1 else "Single"
        cut = partition(ready.layers, remaining(cluster, range(count)), scheme)
        artifact = build(cut, targets_of(target, count), folder / f"{count}.flexpie")
        yield _Ready(artifact, cut)


def _network(rows: int) -> tvm.IRModule:
    rng = np.random.default_rng(0)
    x = inputs = relay.var("x", shape=(rows, WIDTH))
    for _ in range(LAYERS):
        weight = rng.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype("float32")
        x = relay.nn.relu(relay.nn.dense(x, relay.const(weight)))
    return tvm.IRModule.from_expr(relay.Function([inputs], x))


def _rounds(artifact: Artifact, sessions: Sequence[Session]) -> Rounds:
    """Inferences on the first boards, with what these count themselves."""
    (port,), took, mean_spans, last_spans = artifact.inputs, [], [], []
    inputs = {port.name: np.random.default_rng(0).normal(size=port.shape).astype("float32")}
    with Deployment(artifact, list(sessions[: artifact.boards]), DEADLINE) as deployment:
        for _ in range(WARM_UP):
            deployment.run(inputs)
        for _ in range(ROUNDS):
            deployment.reset_stats()
            took.append(mean(timed(lambda: deployment.run(inputs)) for _ in range(RUNS)))
            boards = deployment.stats()
            mean_spans.append([board["run_ns"] / RUNS / 1e6 for board in boards])
            last_spans.append([(b["run_end_ns"] - b["run_start_ns"]) / 1e6 for b in boards])
    return Rounds(np.array(took), np.array(mean_spans), np.array(last_spans))


def outside(passes: Sequence[Rounds], cluster: ClusterSpec) -> float:
    """Milliseconds of an inference that are not its boards' computing.

    Parameters
    ----------
    passes : sequence of Rounds
        What was timed.
    cluster : ClusterSpec
        The boards. Where they share cores they compute in turns; a board's own count may then have
        others' turns in it, and it is the shorter ones that have not.

    Returns
    -------
    outside : float
        The median of the rounds'.
    """
    took = np.concatenate([one.took for one in passes])
    spans = np.concatenate([one.mean_spans for one in passes])
    computing = spans.max(axis=1)
    if 0 < cluster.at_once < cluster.boards:
        last = np.concatenate([one.last_spans for one in passes])
        alone = np.quantile(last, UNDISTURBED, axis=0)
        computing = cluster.taking_turns(alone).max()
    return max(0.0, float(np.median(took - computing)))


def _moved(cut: Partitioned, cluster: ClusterSpec) -> tuple[Transfer, ...]:
    """Scattering and gathering of an inference, as plans for all boards have them."""
    geometry = cut.plan.geometry(cut.graph)
    idle = (empty(2),) * (cluster.boards - geometry.boards)
    need, owned = (
        {tensor: (*regions, *idle) for tensor, regions in part.items()}
        for part in (geometry.need, geometry.owned)
    )
    whole = replace(geometry, boards=cluster.boards, need=need, owned=owned)
    return tuple(move for _, move in host_transfers(cut.graph, whole, cluster.links))
