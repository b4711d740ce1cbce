# SPDX-License-Identifier: Apache-2.0
"""What an inference takes beyond what its boards compute: timed with a small network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np
import tvm
from tvm import relay

from ...compiler import import_model, prepare
from ...cost.host_calls import TimedInference
from ...cost.records import Transfer
from ...plan import ClusterSpec
from ...plan.predict.work import host_transfer
from ...relay import Partitioned, partition
from ...relay.targets import targets_of
from ...runtime import Artifact, Deployment, build
from ...runtime.latency import timed
from ...runtime.session import Session
from .transfer_profile import first_boards

DEADLINE = 30.0
#: Products of a batch of rows with square weights: little to send, and work for each board.
ROWS, WIDTH, LAYERS = 16, 512, 4
#: Boards are made ready so many times, since how they meet on cores is settled anew each time.
PASSES, ROUNDS, RUNS, WARM_UP = 3, 12, 10, 20
#: Of the rounds' times the one that is kept. An idle Zen 4 took .25 ms for one board, and for
#: seconds .4, as the kernel woke threads on the same core or on another.
QUANTILE = 0.25


@dataclass(frozen=True)
class _Ready:
    """The network for some of the boards."""

    artifact: Artifact
    cut: Partitioned


def time_calls(
    sessions: Sequence[Session], cluster: ClusterSpec, target: str
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

    Returns
    -------
    inferences : list of TimedInference
        For each number of boards.

    Raises
    ------
    BoardError
        If a board is lost.
    """
    counts = sorted({1, min(2, len(sessions)), len(sessions)})
    with tempfile.TemporaryDirectory() as folder:
        made = dict(_built(counts, cluster, target, Path(folder)))
        outside: dict[int, list[float]] = {count: [] for count in counts}
        for _, count in product(range(PASSES), counts):
            outside[count] += _outside(made[count], sessions[:count])
    kept = {count: float(np.quantile(rounds, QUANTILE)) for count, rounds in outside.items()}
    return [TimedInference(count, kept[count], _moved(made[count].cut)) for count in counts]


def _built(
    counts: Sequence[int], cluster: ClusterSpec, target: str, folder: Path
) -> Iterator[tuple[int, _Ready]]:
    ready = prepare(import_model(_network()), targets_of(target, cluster.boards))
    for count in counts:
        scheme = "InH" if count > 1 else "Single"
        cut = partition(ready.layers, first_boards(cluster, count), scheme)
        artifact = build(cut, targets_of(target, count), folder / f"{count}.flexpie")
        yield count, _Ready(artifact, cut)


def _network() -> tvm.IRModule:
    rng = np.random.default_rng(0)
    x = inputs = relay.var("x", shape=(ROWS, WIDTH))
    for _ in range(LAYERS):
        weight = rng.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype("float32")
        x = relay.nn.relu(relay.nn.dense(x, relay.const(weight)))
    return tvm.IRModule.from_expr(relay.Function([inputs], x))


def _outside(ready: _Ready, sessions: Sequence[Session]) -> list[float]:
    """Milliseconds that no board computes, on average of the inferences of each round."""
    x = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype("float32")
    inputs, found = {ready.artifact.inputs[0].name: x}, []
    with Deployment(ready.artifact, list(sessions), DEADLINE) as deployment:
        for _ in range(WARM_UP):
            deployment.run(inputs)
        for _ in range(ROUNDS):
            deployment.reset_stats()
            took = mean(timed(lambda: deployment.run(inputs)) for _ in range(RUNS))
            computed = [board["run_ns"] / RUNS / 1e6 for board in deployment.stats()]
            found.append(beside_computing(took, computed, ready.cut.plan.cluster))
    return found


def beside_computing(took: float, computed: Sequence[float], cluster: ClusterSpec) -> float:
    """What is left of an inference.

    Parameters
    ----------
    took : float
        Milliseconds of all of it.
    computed : sequence of float
        Those that each board computes by itself.
    cluster : ClusterSpec
        The boards, which compute in turns where they share cores.

    Returns
    -------
    left : float
        Milliseconds.
    """
    return took - float(cluster.taking_turns(np.array(computed)).max())


def _moved(cut: Partitioned) -> tuple[Transfer, ...]:
    """Scattering and gathering of an inference."""
    graph, geometry, links = cut.graph, cut.plan.geometry(cut.graph), cut.plan.cluster.links
    ends = (("scatter", graph.inputs, geometry.need), ("gather", graph.outputs, geometry.owned))
    return tuple(
        host_transfer(kind, regions[tensor], graph.tensors[tensor], links)
        for kind, tensors, regions in ends
        for tensor in tensors
    )
