# SPDX-License-Identifier: Apache-2.0
"""Works out regions and costs for a search, each once.

Needs are numbers (`Needs`). Layers that do the same (operators, attributes, shapes, wiring)
share all answers. Costs are asked for in batches, and about equal tiles once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from ...cost import Cost, TileWork
from ...cost.memo import Memo
from ...graph import Graph, Region, empty
from ..model.cluster import ClusterSpec
from ..model.scheme import Split
from ..predict.facts import BoardFigures, Facts
from ..predict.work import Transfer as TransferRecord
from ..predict.work import board_figures, host_transfer, meeting, tile_work
from .layer_shape import NONE, LayerShape, shape_of, walk
from .needs import NOTHING, Needs
from .parts import Key, Part, Parts


class Made(NamedTuple):
    """What follows when boards compute certain regions of a layer's outputs."""

    times: np.ndarray  # milliseconds per board
    weights: np.ndarray  # bytes of constants per board
    reads: tuple[int, ...]  # need of each tensor that the layer reads


class _Tiled(NamedTuple):
    """One board's tile of a layer."""

    reads: tuple[Region, ...]  # of each tensor that the layer reads
    weights: int  # bytes of constants
    time: float = 0.0  # milliseconds


#: A tile by what it is of: a layer's kind, what is wanted of its outputs, a part, a board.
_Place = tuple[int, tuple[Region, ...], Part | None, BoardFigures]
#: Shape, bytes per element, and name where names matter.
_TensorKind = tuple[tuple[int, ...], int, str]


class Sent(NamedTuple):
    """Exchanges of one tensor: a row per need, a column per way of owning it."""

    times: np.ndarray  # milliseconds
    nbytes: np.ndarray
    met: np.ndarray  # one more axis: which boards take part

    def take(self, rows: Sequence[int] | np.ndarray) -> Sent:
        """Some of the rows."""
        return Sent(*(column[rows] for column in self))

    @staticmethod
    def join(parts: Sequence[Sent]) -> Sent:
        """The rows of several."""
        return Sent(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


class _Exchanges:
    """What is known of the exchanges of one tensor, for some ways to own it."""

    def __init__(self, ways: int, boards: int):
        self._rows = {NOTHING: 0}
        self._sent = Sent(
            np.zeros((1, ways)), np.zeros((1, ways)), np.zeros((1, ways, boards), dtype=bool)
        )

    def unknown(self, needs: Sequence[int]) -> list[int]:
        return [n for n in dict.fromkeys(needs) if n not in self._rows]

    def add(self, needs: Sequence[int], sent: Sent) -> None:
        self._rows.update((n, k) for k, n in enumerate(needs, len(self._rows)))
        self._sent = Sent.join([self._sent, sent])

    def of(self, needs: Sequence[int]) -> Sent:
        return self._sent.take([self._rows[n] for n in needs])


class Ledger(Needs):
    """Memo of regions and costs for one graph, cluster and cost model."""

    def __init__(self, graph: Graph, cluster: ClusterSpec, cost: Cost):
        super().__init__(graph, cluster.boards)
        self.cluster, self.cost, self.links = cluster, cost, cluster.links
        self._figures = [board_figures(cluster, b) for b in range(self.boards)]
        self._parts = Parts(self)
        self._tiles: dict[_Place, _Tiled] = {}
        self._known = Memo()
        self._made: dict[tuple[int, Split | None, Key], Made] = {}
        self._sent: dict[tuple[_TensorKind, tuple[int, ...]], _Exchanges] = {}
        self._host: dict[tuple[str, _TensorKind, int], float] = {}
        self._facts = Facts()
        kinds: dict[Hashable, int] = {}
        self.layers = [shape_of(graph, layer, kinds, cost.per_layer) for layer in graph.layers]
        self._tensor_kinds = [
            (t.shape, t.itemsize, t.name if cost.per_layer else "") for t in graph.tensors
        ]

    def made(
        self, index: int, keys: Sequence[tuple[int, ...]], share: Split | None = None
    ) -> list[Made]:
        """What follows from computing each of ``keys`` (a need per output) of one layer.

        With a ``share`` the anchor makes partial results of the boards' shares of its input.
        """
        shape = self.layers[index]
        todo = [k for k in dict.fromkeys(keys) if (shape.kind, share, k) not in self._made]
        if todo:
            self._make(shape, todo, share)
        return [self._made[shape.kind, share, key] for key in keys]

    def combined(self, index: int, keys: Sequence[tuple[int, ...]], share: Split) -> Sent:
        """Exchanges of the partial results behind each of ``keys``, one column."""
        shape = self.layers[index]
        tensor = self.graph.ops[shape.layer.anchor].outputs[0]
        by_box: dict[int, list[int]] = {}
        pairs = [self._parts.exchanged(shape, key, share) for key in keys]
        for place, (box, _) in enumerate(pairs):
            by_box.setdefault(box, []).append(place)
        found = Sent.join([
            self.sent(tensor, (box,), [pairs[place][1] for place in places])
            for box, places in by_box.items()
        ])
        return found.take(np.argsort([place for places in by_box.values() for place in places]))

    def part_reads(self, index: int, key: tuple[int, ...], share: Split) -> tuple[int, ...]:
        """What `made` says that is read, without the rest of it, for partial results."""
        return self._parts.reads(self.layers[index], key, share)

    def sent(self, tensor: int, owned: Sequence[int], needs: Sequence[int]) -> Sent:
        """Exchanges of one tensor, for every need and every way of owning it."""
        key = (self._tensor_kinds[tensor], tuple(owned))
        known = self._sent.get(key)
        if known is None:
            known = self._sent[key] = _Exchanges(len(owned), self.boards)
        todo = known.unknown(needs)
        if todo:
            self._send(tensor, owned, todo, known)
        return known.of(needs)

    def host(self, kind: str, tensor: int, needs: Sequence[int]) -> np.ndarray:
        """Milliseconds to scatter (or gather) a tensor, per need."""
        info, family = self.graph.tensors[tensor], self._tensor_kinds[tensor]
        todo = [n for n in dict.fromkeys(needs) if n and (kind, family, n) not in self._host]
        if todo:
            transfers = [
                host_transfer(
                    kind, self._needs[n], info, self.links, self.cost.per_layer
                )
                for n in todo
            ]
            times = self.cost.exchange(transfers)
            self._host.update(
                ((kind, family, n), float(t)) for n, t in zip(todo, times, strict=True)
            )
        return np.array([self._host[kind, family, n] if n else 0.0 for n in needs])

    def _send(
        self, tensor: int, owned: Sequence[int], todo: list[int], known: _Exchanges
    ) -> None:
        info = self.graph.tensors[tensor]
        rank = len(info.shape)
        name = info.name if self.cost.per_layer else ""
        own = np.stack([self.bounds(o, rank) for o in owned])
        step = max(1, (1 << 20) // (self.boards * self.boards * len(owned)))
        for start in range(0, len(todo), step):
            part = todo[start : start + step]
            need = np.stack([self.bounds(n, rank) for n in part])[:, None]
            volume, runs = meeting(own[None], need, info.shape)
            nbytes = volume * info.itemsize
            into, out = nbytes.sum(axis=-2), nbytes.sum(axis=-1)
            totals = into.sum(axis=-1)
            busy = np.argwhere(totals > 0)
            transfers = [
                TransferRecord("exchange", nbytes[i, k], runs[i, k], self.links, name)
                for i, k in busy
            ]
            times = np.zeros(totals.shape)
            if transfers:
                times[tuple(busy.T)] = self.cost.exchange(transfers)
            met = (into + out) > 0
            known.add(part, Sent(times, totals, met))

    def _make(self, shape: LayerShape, todo: list[tuple[int, ...]], share: Split | None) -> None:
        asked: list[TileWork] = []
        places: list[_Place] = []
        found: dict[Key, list[_Place]] = {}
        for key in todo:
            parts = self._parts.parts(shape, key, share) if share else (None,) * self.boards
            wants = self.wanted(shape, key)
            found[key] = [
                self._tile(shape, wanted, part, board, asked, places)
                for board, (wanted, part) in enumerate(zip(wants, parts, strict=True))
            ]
        for place, time in zip(places, self._predict(asked), strict=True):
            self._tiles[place] = self._tiles[place]._replace(time=time)
        for key, parts in found.items():
            rows = [self._tiles[place] for place in parts]
            reads = tuple(
                self.need([row.reads[k] for row in rows]) for k in range(len(shape.reads))
            )
            times = self.cluster.taking_turns(np.array([row.time for row in rows]))
            weights = np.array([row.weights for row in rows])
            self._made[shape.kind, share, key] = Made(times, weights, reads)

    def _predict(self, works: Sequence[TileWork]) -> list[float]:
        """Times of tiles; a cost model is asked once about equal ones."""
        times = self._known.answers(works, lambda new: self.cost.compute([works[k] for k in new]))
        return times.tolist()

    def _tile(
        self,
        shape: LayerShape,
        wanted: tuple[Region, ...],
        part: Part | None,
        board: int,
        asked: list[TileWork],
        places: list[_Place],
    ) -> _Place:
        """Remember one board's tile (its cost still open) and return its key."""
        figures, anchor = self._figures[board], self.graph.ops[shape.layer.anchor]
        # An anchor makes its part whatever this board wants of the whole.
        alone = part is not None and shape.layer.outputs == anchor.outputs
        place = (shape.kind, () if alone else wanted, part, figures)
        if place in self._tiles:
            return place
        given = self._parts.given(shape, part) if part else NONE
        tiles, held = walk(self.graph, shape.layer, wanted, given)
        reads = tuple(
            held.get(t, empty(len(self.graph.tensors[t].shape))) for t in shape.reads
        )
        named = self.cost.per_layer
        work = tile_work(self.graph, shape.layer, tiles, figures, named, self._facts)
        self._tiles[place] = _Tiled(reads, work.bytes_weights if work else 0)
        if work is not None:
            asked.append(work)
            places.append(place)
        return place
