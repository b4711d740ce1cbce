# SPDX-License-Identifier: Apache-2.0
"""Works out regions and costs for a search, each once.

A *need* is a tuple with one region per board; regions and needs are interned to small
integers, so that a search handles integers only. Layers that do the same (operators,
attributes, shapes, wiring) share all answers. Costs are asked for in batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..cost import Cost
from ..graph import Graph, Layer, Region, empty, hull
from ..rules import Tile, rule_for
from .cluster import ClusterSpec
from .work import Transfer as TransferRecord
from .work import board_figures, host_transfer, meeting, tile_work

NOTHING = 0  # the need of every board is empty
_FAR = 1 << 40


@dataclass(frozen=True, slots=True)
class LayerShape:
    """A layer as the ledger sees it: what it is, what it reads, what it gives."""

    layer: Layer
    kind: int
    reads: tuple[int, ...]


class Made(NamedTuple):
    """What follows when boards compute certain regions of a layer's outputs."""

    times: np.ndarray  # milliseconds per board
    weights: np.ndarray  # bytes of constants per board
    reads: tuple[int, ...]  # need of each tensor that the layer reads


class Sent(NamedTuple):
    """Exchanges of one tensor: a row per need, a column per way of owning it."""

    times: np.ndarray  # milliseconds
    nbytes: np.ndarray
    met: np.ndarray  # one more axis: which boards take part


class Ledger:
    """Memo of regions and costs for one graph, cluster and cost model."""

    def __init__(self, graph: Graph, cluster: ClusterSpec, cost: Cost):
        self.graph, self.cluster, self.cost = graph, cluster, cost
        self.boards, self.links = cluster.boards, cluster.links
        self._figures = [board_figures(cluster, b) for b in range(self.boards)]
        self._needs: list[tuple[Region, ...]] = [()]
        self._need_ids: dict[tuple[Region, ...], int] = {}
        self._bounds: dict[int, np.ndarray] = {}
        self._hulls: dict[tuple[int, int], int] = {}
        self._tiles: dict[tuple, tuple] = {}
        self._made: dict[tuple, Made] = {}
        self._sent: dict[tuple, dict[int, Sent]] = {}
        self._host: dict[tuple, float] = {}
        self._facts: dict = {}
        kinds: dict[tuple, int] = {}
        self.layers = [_shape_of(graph, layer, kinds, cost.per_layer) for layer in graph.layers]
        self._tensor_kinds = [
            (t.shape, t.itemsize, t.name if cost.per_layer else "") for t in graph.tensors
        ]

    def need(self, regions: Sequence[Region]) -> int:
        """The number of a need."""
        if all(r.is_empty for r in regions):
            return NOTHING
        key = tuple(regions)
        if key not in self._need_ids:
            self._need_ids[key] = len(self._needs)
            self._needs.append(key)
        return self._need_ids[key]

    def regions(self, need: int, rank: int) -> tuple[Region, ...]:
        """The regions behind a number."""
        return self._needs[need] if need else (empty(rank),) * self.boards

    def bounds(self, need: int, rank: int) -> np.ndarray:
        """Boards x axes x (start, stop); an empty region starts after it stops."""
        if not need:
            return np.tile(np.array([_FAR, -_FAR]), (self.boards, rank, 1))
        if need not in self._bounds:
            rows = [r.bounds if not r.is_empty else ((_FAR, -_FAR),) * rank
                    for r in self._needs[need]]
            self._bounds[need] = np.array(rows, dtype=np.int64).reshape(self.boards, rank, 2)
        return self._bounds[need]

    def nbytes(self, tensor: int, need: int) -> np.ndarray:
        """Bytes of a need on each board."""
        info = self.graph.tensors[tensor]
        regions = self.regions(need, len(info.shape))
        return np.array([r.volume for r in regions]) * info.itemsize

    def hull(self, a: int, b: int) -> int:
        """The need that covers two needs of one tensor, board by board."""
        if a == b or not b:
            return a
        if not a:
            return b
        key = (a, b) if a < b else (b, a)
        if key not in self._hulls:
            pairs = zip(self._needs[a], self._needs[b], strict=True)
            self._hulls[key] = self.need([hull(pair, pair[0].rank) for pair in pairs])
        return self._hulls[key]

    def made(self, index: int, keys: Sequence[tuple[int, ...]]) -> list[Made]:
        """What follows from computing each of ``keys`` (a need per output) of one layer."""
        shape = self.layers[index]
        todo = [k for k in dict.fromkeys(keys) if (shape.kind, k) not in self._made]
        if todo:
            self._make(shape, todo)
        return [self._made[shape.kind, key] for key in keys]

    def sent(self, tensor: int, owned: Sequence[int], needs: Sequence[int]) -> Sent:
        """Exchanges of one tensor, for every need and every way of owning it."""
        known = self._sent.setdefault((self._tensor_kinds[tensor], tuple(owned)), {})
        if not known:
            count = len(owned)
            nobody = np.zeros((count, self.boards), dtype=bool)
            known[NOTHING] = Sent(np.zeros(count), np.zeros(count), nobody)
        todo = [n for n in dict.fromkeys(needs) if n not in known]
        if todo:
            self._send(tensor, owned, todo, known)
        rows = [known[n] for n in needs]
        return Sent(*(np.stack([row[k] for row in rows]) for k in range(3)))

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

    def _send(self, tensor: int, owned: Sequence[int], todo: list[int], known: dict) -> None:
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
            known.update((n, Sent(times[i], totals[i], met[i])) for i, n in enumerate(part))

    def _make(self, shape: LayerShape, todo: list[tuple[int, ...]]) -> None:
        ranks = [len(self.graph.tensors[t].shape) for t in shape.layer.outputs]
        asked, places, found = [], [], {}
        for key in todo:
            per_output = [self.regions(n, r) for n, r in zip(key, ranks, strict=True)]
            parts = []
            for board in range(self.boards):
                wanted = tuple(regions[board] for regions in per_output)
                parts.append(self._tile(shape, wanted, self._figures[board], asked, places))
            found[key] = parts
        times = self.cost.compute(asked) if asked else ()
        for place, time in zip(places, times, strict=True):
            reads, weights, _ = self._tiles[place]
            self._tiles[place] = (reads, weights, float(time))
        for key, parts in found.items():
            rows = [self._tiles[place] for place in parts]
            reads = tuple(
                self.need([row[0][k] for row in rows]) for k in range(len(shape.reads))
            )
            self._made[shape.kind, key] = Made(
                np.array([row[2] for row in rows]), np.array([row[1] for row in rows]), reads
            )

    def _tile(self, shape: LayerShape, wanted, figures, asked: list, places: list) -> tuple:
        """Remember one board's tile (its cost still open) and return its key."""
        place = (shape.kind, wanted, figures)
        if place in self._tiles:
            return place
        tiles, held = walk(self.graph, shape.layer, wanted)
        reads = tuple(
            held.get(t, empty(len(self.graph.tensors[t].shape))) for t in shape.reads
        )
        named = self.cost.per_layer
        work = tile_work(self.graph, shape.layer, tiles, figures, named, self._facts)
        self._tiles[place] = (reads, work.bytes_weights if work else 0, 0.0)
        if work is not None:
            asked.append(work)
            places.append(place)
        return place


def walk(graph: Graph, layer: Layer, wanted: Sequence[Region]):
    """Tiles of a layer's operators for regions of its outputs, and the regions it reads."""
    held: dict[int, Region] = dict(zip(layer.outputs, wanted, strict=True))
    tiles: dict[int, Tile | None] = {}
    for number in reversed(layer.ops):
        op = graph.ops[number]
        regions = [held.get(t) for t in op.outputs]
        if all(r is None or r.is_empty for r in regions):
            tiles[number] = None
            continue
        first = regions[0] if regions[0] is not None else empty(len(op.out_shape))
        tile = rule_for(op).tile(op, first)
        tiles[number] = tile
        for tensor, region in zip(op.inputs, tile.inputs, strict=True):
            known = held.get(tensor)
            held[tensor] = region if known is None else hull((known, region), region.rank)
    return tiles, held


def _shape_of(graph: Graph, layer: Layer, kinds: dict, named: bool) -> LayerShape:
    """Number a layer by what it does; equal layers get the same number."""
    local: dict[int, int] = {}
    reads, described = [], []
    for number in layer.ops:
        op = graph.ops[number]
        for tensor in op.inputs:
            if tensor not in local:
                local[tensor] = len(local)
                if graph.tensors[tensor].kind != "constant":
                    reads.append(tensor)
        wiring = tuple(local[t] for t in op.inputs)
        constant = tuple(graph.tensors[t].kind == "constant" for t in op.inputs)
        facts = tuple((graph.tensors[t].axes, graph.tensors[t].dtype)
                      for t in (*op.inputs, *op.outputs))
        for tensor in op.outputs:
            local[tensor] = len(local)
        described.append(
            (op.kind, repr(sorted(op.attrs.items())), op.in_shapes, op.out_shapes, wiring,
             constant, facts)
        )
    inside = {t for op in layer.ops for t in graph.ops[op].outputs}
    given = tuple(local[t] for t in layer.outputs)
    key = (tuple(described), given, layer.ops.index(layer.anchor), layer.name if named else "")
    return LayerShape(
        layer, kinds.setdefault(key, len(kinds)), tuple(t for t in reads if t not in inside)
    )
