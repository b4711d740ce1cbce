# SPDX-License-Identifier: Apache-2.0
"""Works out regions and costs for a search, each once.

A *need* is a tuple with one region per board; regions and needs are interned to small
integers, so that a search handles integers only. Layers that do the same (operators,
attributes, shapes, wiring) share all answers. Costs are asked for in batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..cost import Cost
from ..graph import Graph, Region, empty, hull
from .cluster import ClusterSpec
from .layer_shape import LayerShape, shape_of, walk
from .scheme import Split
from .work import Transfer as TransferRecord
from .work import board_figures, host_transfer, meeting, tile_work

NOTHING = 0  # the need of every board is empty
_FAR = 1 << 40


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
        self._insides: dict[tuple, Any] = {}
        self._sent: dict[tuple, dict[int, Sent]] = {}
        self._host: dict[tuple, float] = {}
        self._facts: dict = {}
        kinds: dict[tuple, int] = {}
        self.layers = [shape_of(graph, layer, kinds, cost.per_layer) for layer in graph.layers]
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
        by_owned: dict[int, list[int]] = {}
        pairs = [self._inside(shape, key, share) for key in keys]
        for owned, need in pairs:
            by_owned.setdefault(owned, []).append(need)
        found = {}
        for owned, needs in by_owned.items():
            sent = self.sent(tensor, [owned], needs)
            found.update(((owned, n), [x[k] for x in sent]) for k, n in enumerate(needs))
        return Sent(*(np.stack([found[pair][k] for pair in pairs]) for k in range(3)))

    def _inside(self, shape: LayerShape, key: tuple[int, ...], share: Split) -> tuple[int, int]:
        """What boards make in part of the anchor's output, and what they need of it."""
        place = (shape.kind, share, key)
        if place not in self._insides:
            rank = len(self.graph.ops[shape.layer.anchor].out_shape)
            need = self._behind(shape, key)
            box, nothing = hull(self.regions(need, rank), rank), empty(rank)
            parts = self._share(shape, share)
            owned = [nothing if part.is_empty else box for part in parts]
            self._insides[place] = (self.need(owned), need)
        return self._insides[place]

    def _behind(self, shape: LayerShape, key: tuple[int, ...]) -> int:
        """What the operators behind the anchor need of its output."""
        op = self.graph.ops[shape.layer.anchor]
        if op.outputs == shape.layer.outputs:
            return key[0]
        place = (shape.kind, key)
        if place not in self._insides:
            nothing = empty(len(op.out_shape))
            regions = []
            for wanted in self._wanted(shape, key):
                held = walk(self.graph, shape.layer, wanted, (nothing, nothing))[1]
                regions.append(held.get(op.outputs[0], nothing))
            self._insides[place] = self.need(regions)
        return self._insides[place]

    def _share(self, shape: LayerShape, share: Split) -> tuple[Region, ...]:
        size = self.graph.ops[shape.layer.anchor].in_shapes[0]
        if (share, size) not in self._insides:
            self._insides[share, size] = share.owned(size, self.boards)
        return self._insides[share, size]

    def _wanted(self, shape: LayerShape, key: tuple[int, ...]) -> list[tuple[Region, ...]]:
        """Per board, the region of each of the layer's outputs."""
        ranks = (len(self.graph.tensors[t].shape) for t in shape.layer.outputs)
        per_output = (self.regions(n, r) for n, r in zip(key, ranks, strict=True))
        return list(zip(*per_output, strict=True))

    def _parts(self, shape: LayerShape, key: tuple[int, ...], share: Split | None) -> list:
        """Per board the box to make in part and the share to make it of; None if in whole."""
        if share is None:
            return [None] * self.boards
        op = self.graph.ops[shape.layer.anchor]
        boxes = self.regions(self._inside(shape, key, share)[0], len(op.out_shape))
        return list(zip(boxes, self._share(shape, share), strict=True))

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

    def _make(self, shape: LayerShape, todo: list[tuple[int, ...]], share: Split | None) -> None:
        asked, places, found = [], [], {}
        for key in todo:
            pairs = zip(self._wanted(shape, key), self._parts(shape, key, share), strict=True)
            found[key] = [
                self._tile(shape, wanted, part, board, asked, places)
                for board, (wanted, part) in enumerate(pairs)
            ]
        times = self.cost.compute(asked) if asked else ()
        for place, time in zip(places, times, strict=True):
            reads, weights, _ = self._tiles[place]
            self._tiles[place] = (reads, weights, float(time))
        for key, parts in found.items():
            rows = [self._tiles[place] for place in parts]
            reads = tuple(
                self.need([row[0][k] for row in rows]) for k in range(len(shape.reads))
            )
            self._made[shape.kind, share, key] = Made(
                np.array([row[2] for row in rows]), np.array([row[1] for row in rows]), reads
            )

    def _tile(self, shape: LayerShape, wanted, part, board: int, asked, places) -> tuple:
        """Remember one board's tile (its cost still open) and return its key."""
        figures = self._figures[board]
        place = (shape.kind, wanted, part, figures)
        if place in self._tiles:
            return place
        tiles, held = walk(self.graph, shape.layer, wanted, part)
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
