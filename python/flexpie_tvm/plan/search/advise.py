# SPDX-License-Identifier: Apache-2.0
"""How many boards a model is worth: the best plans for one, two and more, on several links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...cost import Cost
from ...graph import Graph
from ...machine import KnownBoard
from ..model.board_cluster import cluster_of_boards
from ..model.cluster import ClusterSpec
from ..predict.evaluate import evaluate
from .auto import best_plan

#: Boards that make an inference faster by less than this share each are not worth it.
WORTH = 0.05


@dataclass(frozen=True)
class Advised:
    """The best plan of some boards on one network.

    Parameters
    ----------
    board : str
        Their kind.
    boards : int
        How many there are.
    used : int
        How many of them the plan gives anything to compute.
    gbps : float
        1e9 bits per second of each one's link and of the host's.
    latency_ms : float
        Of one inference.
    frames : float
        Inferences a second, one after the other.
    streamed : float
        At most, while the next ones have begun: what the busiest board has time for.
    cost_model : str
        Who predicts it.
    """

    board: str
    boards: int
    used: int
    gbps: float
    latency_ms: float
    frames: float
    streamed: float
    cost_model: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Curve:
    """One kind of boards on one network.

    Parameters
    ----------
    points : tuple of Advised
        For one board, two, and so on.
    """

    points: tuple[Advised, ...]

    @property
    def enough(self) -> int:
        """The fewest boards after which no more of them gain 5 % each."""
        return next(
            one.boards
            for one in self.points
            if not any(_pays(one, more) for more in self.points[one.boards :])
        )

    @property
    def best(self) -> Advised:
        """The plan for so many."""
        return self.points[self.enough - 1]


def links_of(board: KnownBoard, wanted: Sequence[float]) -> list[float]:
    """The links among some (1e9 b/s) that a board can have; its own in place of faster ones."""
    return sorted({min(gbps, board.link) for gbps in wanted})


def advise(
    graph: Graph,
    board: KnownBoard,
    links: Sequence[float],
    most: int,
    cost: Cost,
    speed: float = 1.0,
) -> Iterator[Advised]:
    """Plan for one to ``most`` boards of a kind on each link.

    Parameters
    ----------
    graph : Graph
        The model as it is compiled for such boards.
    board : KnownBoard
        The kind.
    links : sequence of float
        1e9 bits per second.
    most : int
        Of boards.
    cost : Cost
        Of such boards.
    speed : float
        Share of their speed that boards keep when they are hot.
    """
    for gbps in links:
        best: Advised | None = None
        for number in range(1, most + 1):
            cluster = cluster_of_boards([board] * number, gbps * 1e9).throttled(speed)
            found = _advised(graph, cluster, cost, board.key, gbps)
            # a plan for fewer boards leaves the others idle; searches are not always exact
            if best is None or found.latency_ms < best.latency_ms:
                best = found
            yield replace(best, boards=number)


def _advised(graph: Graph, cluster: ClusterSpec, cost: Cost, kind: str, gbps: float) -> Advised:
    """The best plan for all boards of a cluster."""
    found = evaluate(graph, best_plan(graph, cluster, cost), cost)
    used = int((np.sum(list(found.compute.values()), axis=0) > 0).sum())
    latency, busiest = found.latency, found.throughput
    frames = 1e3 / latency, 1e3 / busiest
    return Advised(kind, cluster.boards, used, gbps, latency, *frames, cost.name)


def curves(points: Sequence[Advised]) -> list[Curve]:
    """Points of one kind and link each, in their order."""
    kinds = dict.fromkeys((point.board, point.gbps) for point in points)
    return [Curve(tuple(p for p in points if (p.board, p.gbps) == kind)) for kind in kinds]


def _pays(one: Advised, more: Advised) -> bool:
    return more.latency_ms <= one.latency_ms * (1 - WORTH) ** (more.boards - one.boards)
