# SPDX-License-Identifier: Apache-2.0
"""Event by event replay of a plan: boards run ahead of each other where they can.

0. The host wakes up and calls the boards that take part.
1. The host sends each board its part of the inputs, one board after the other.
2. Every board runs its tiles in order. At an exchange it waits for the boards that it sends
   to or receives from, and for nobody else; then its own messages take their time. Boards that
   share cores (``ClusterSpec.at_once``) are slower where a layer keeps more of them busy.
3. Topologies in which boards share links (``ring``, ``ps``, ``shared``) carry one exchange
   after the other.
4. Boards send their parts of a result when they have them; the host has it when all came.

If no part of an exchange costs more than the whole (`Cost.monotone`), no board is ever later
than in the planner's sum, where all boards move in step: the sum is an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ...cost import Cost, TileWork, Transfer
from ...graph import Graph, Layer, Region
from ..model.geometry import Exchange
from ..model.plan import Plan
from ..model.route import routes_of
from .evaluate import taking_part
from .work import board_figures, exchange_transfer, host_transfer, tile_work


@dataclass(frozen=True, slots=True)
class Event:
    """What a board does for a while; milliseconds from the start of the inference.

    ``what`` is ``compute``, ``exchange``, ``wait``, ``scatter`` or ``gather``; ``name`` the
    layer or tensor.

    Parameters
    ----------
    board : int
        Its rank.
    what : {"compute", "exchange", "wait", "scatter", "gather"}
        What it does.
    name : str
        Of the layer or tensor.
    start, stop : float
        Milliseconds.
    """

    board: int
    what: str
    name: str
    start: float
    stop: float


@dataclass
class Timeline:
    """The replay of one plan.

    Parameters
    ----------
    events : list of Event
        In the order of the plan.
    links : dict
        (source, target) -> bytes that this link carries, also what is passed on for others;
        the host is board -1.
    latency : float
        Milliseconds until the host has all results.
    """

    events: list[Event] = field(default_factory=list)
    links: dict[tuple[int, int], int] = field(default_factory=dict)
    latency: float = 0.0

    def busy(self, board: int) -> float:
        """Milliseconds that a board computes.

        Parameters
        ----------
        board : int
            Its rank.
        """
        mine = (e for e in self.events if e.board == board and e.what == "compute")
        return sum(e.stop - e.start for e in mine)


def simulate(graph: Graph, plan: Plan, cost: Cost) -> Timeline:
    """Replay a plan.

    Parameters
    ----------
    graph, plan : Graph, Plan
        What runs where.
    cost : Cost
        Predicts every tile and message.

    Returns
    -------
    timeline : Timeline
        What every board does when, and the latency in milliseconds.
    """
    return _Replay(graph, plan, cost).run()


class _Replay:
    def __init__(self, graph: Graph, plan: Plan, cost: Cost):
        self._graph, self._cluster, self._cost = graph, plan.cluster, cost
        self._geometry = plan.geometry(graph)
        self._links, self._routes = self._cluster.links, routes_of(self._cluster)
        self._called = cost.calls(len(taking_part(self._geometry)))
        self._clock = np.full(plan.boards, max(0.0, self._called))
        self._medium = 0.0  # when shared links are free again
        self._timeline = Timeline()

    def run(self) -> Timeline:
        self._scatter()
        exchanges = {e.tensor: e for e in self._geometry.exchanges}
        for layer in self._graph.layers:
            self._compute(layer)
            # What a layer combines of partial results inside it counts behind its tiles.
            for tensor in (t for op in layer.ops for t in self._graph.ops[op].outputs):
                if tensor in exchanges:
                    self._exchange(exchanges[tensor])
        self._gather()
        self._timeline.latency += min(0.0, self._called)  # moves overlap that were timed apart
        return self._timeline

    def _spend(self, board: int, what: str, name: str, start: float, stop: float) -> None:
        if stop > start:
            self._timeline.events.append(Event(board, what, name, start, stop))
        self._clock[board] = max(self._clock[board], stop)

    def _compute(self, layer: Layer) -> None:
        boards: list[int] = []
        works: list[TileWork] = []
        times = np.zeros(self._cluster.boards)
        for board in range(self._cluster.boards):
            tiles = {op: self._geometry.tiles[op][board] for op in layer.ops}
            figures = board_figures(self._cluster, board)
            work = tile_work(self._graph, layer, tiles, figures, self._cost.per_layer)
            if work is not None:
                boards.append(board)
                works.append(work)
        times[boards] = self._cost.compute(works)
        times = self._cluster.taking_turns(times)
        for board in boards:
            start = float(self._clock[board])
            self._spend(board, "compute", layer.name, start, start + float(times[board]))

    def _exchange(self, exchange: Exchange) -> None:
        info = self._graph.tensors[exchange.tensor]
        owned = self._geometry.owned[exchange.tensor]
        need = self._geometry.need[exchange.tensor]
        whole = exchange_transfer(owned, need, info, self._links, self._cost.per_layer)
        self._count(whole.nbytes)
        met = [b for b in range(len(owned)) if whole.nbytes[b].any() or whole.nbytes[:, b].any()]
        parts = [_incident(whole, board) for board in met]
        times = self._cost.exchange([whole, *parts])
        reached = self._clock.copy()
        shared = self._cluster.topology != "mesh"
        for board, time in zip(met, times[1:], strict=True):
            peers = np.flatnonzero((whole.nbytes[board] > 0) | (whole.nbytes[:, board] > 0))
            ready = max(reached[board], *reached[peers])
            if shared:
                ready, time = max(reached[met].max(), self._medium), times[0]
            self._spend(board, "wait", info.name, float(reached[board]), float(ready))
            self._spend(board, "exchange", info.name, float(ready), float(ready + time))
        if shared:
            self._medium = float(self._clock[met].max())

    def _count(self, nbytes: np.ndarray) -> None:
        links = self._timeline.links
        for source, target in np.argwhere(nbytes).tolist():
            for hop in pairwise(self._routes.path(source, target)):
                links[hop] = links.get(hop, 0) + int(nbytes[source, target])

    def _scatter(self) -> None:
        start = max(0.0, self._called)
        for tensor in self._graph.inputs:
            regions = self._geometry.need[tensor]
            if all(r.is_empty for r in regions):
                continue
            start = self._host_moves("scatter", tensor, regions, start)

    def _gather(self) -> None:
        for tensor in sorted(set(self._graph.outputs) & set(self._geometry.owned)):
            regions = self._geometry.owned[tensor]
            owners = [b for b, r in enumerate(regions) if not r.is_empty]
            if owners:
                start = max(float(self._clock[owners].max()), self._timeline.latency)
                self._timeline.latency = self._host_moves("gather", tensor, regions, start)

    def _host_moves(
        self, kind: str, tensor: int, regions: Sequence[Region], start: float
    ) -> float:
        """Boards get (or send) their parts in order; the last ends with the whole transfer."""
        info = self._graph.tensors[tensor]
        whole = host_transfer(kind, regions, info, self._links, self._cost.per_layer)
        time = float(self._cost.exchange([whole])[0])
        nbytes = whole.nbytes.ravel()
        done = np.cumsum(nbytes) / nbytes.sum()
        for board in np.flatnonzero(nbytes):
            key = (-1, int(board)) if kind == "scatter" else (int(board), -1)
            self._timeline.links[key] = self._timeline.links.get(key, 0) + int(nbytes[board])
            stop = start + time * float(done[board])
            begin = stop - time * float(nbytes[board] / nbytes.sum())
            self._spend(int(board), kind, info.name, begin, stop)
        return start + time


def _incident(whole: Transfer, board: int) -> Transfer:
    """The part of an exchange that one board sends or receives."""
    keep = np.zeros_like(whole.nbytes, dtype=bool)
    keep[board], keep[:, board] = True, True
    return Transfer(
        whole.kind,
        np.where(keep, whole.nbytes, 0),
        np.where(keep, whole.runs, 0),
        whole.links,
        whole.tensor,
    )
