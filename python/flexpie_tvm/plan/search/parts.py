# SPDX-License-Identifier: Apache-2.0
"""Partial results of a layer's anchor: what each board makes and what it needs, each once.

With a share of its input every board makes the same box of the anchor's output: the hull of
what all boards need of it. The exchange then brings each board the parts of what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph import Region, empty, hull
from ...rules import Tile, partial_tile
from ..model.scheme import Split
from .layer_shape import LayerShape, walk
from .needs import NOTHING, Needs

Key = tuple[int, ...]  # a need of each of a layer's outputs
Part = tuple[Region, Region]  # a box of the output, and the share of the input it is made of


class Parts:
    """Memo of partial results, in the numbers of ``needs``."""

    def __init__(self, needs: Needs):
        self._needs, self._graph = needs, needs.graph
        self._exchanged: dict[tuple[int, Split, Key], tuple[int, int]] = {}
        self._behind: dict[tuple[int, Key], tuple[int, ...]] = {}
        self._reads: dict[tuple[int, Split, int], tuple[int, ...]] = {}
        self._shares: dict[tuple[Split, tuple[int, ...]], tuple[Region, ...]] = {}
        self._tiles: dict[tuple[int, Part], Tile | None] = {}

    def exchanged(self, shape: LayerShape, key: tuple[int, ...], share: Split) -> tuple[int, int]:
        """What boards make in part of the anchor's output, and what they need of it."""
        place = (shape.kind, share, key)
        if place not in self._exchanged:
            rank = len(self._graph.ops[shape.layer.anchor].out_shape)
            need = self._needs_behind(shape, key)[0]
            box, nothing = hull(self._needs.regions(need, rank), rank), empty(rank)
            owned = [nothing if s.is_empty else box for s in self._cells(shape, share)]
            self._exchanged[place] = (self._needs.need(owned), need)
        return self._exchanged[place]

    def parts(self, shape: LayerShape, key: tuple[int, ...], share: Split) -> list[Part]:
        """The part that each board makes."""
        rank = len(self._graph.ops[shape.layer.anchor].out_shape)
        boxes = self._needs.regions(self.exchanged(shape, key, share)[0], rank)
        return list(zip(boxes, self._cells(shape, share), strict=True))

    def given(self, shape: LayerShape, part: Part) -> Mapping[int, Tile | None]:
        """The anchor's tile for a part, as `walk` takes it."""
        place = (shape.kind, part)
        if place not in self._tiles:
            nothing = part[0].is_empty or part[1].is_empty
            op = self._graph.ops[shape.layer.anchor]
            self._tiles[place] = None if nothing else partial_tile(op, *part)
        return {shape.layer.anchor: self._tiles[place]}

    def reads(self, shape: LayerShape, key: tuple[int, ...], share: Split) -> tuple[int, ...]:
        """What boards need of each tensor that the layer reads."""
        place = (shape.kind, share, self.exchanged(shape, key, share)[0])
        if place not in self._reads:
            nothing = [empty(len(self._graph.tensors[t].shape)) for t in shape.layer.outputs]
            self._reads[place] = self._numbers(shape.reads, [
                walk(self._graph, shape.layer, nothing, self.given(shape, part))[1]
                for part in self.parts(shape, key, share)
            ])
        behind = self._needs_behind(shape, key)[1:]
        return tuple(map(self._needs.hull, self._reads[place], behind))

    def _needs_behind(self, shape: LayerShape, key: tuple[int, ...]) -> tuple[int, ...]:
        """What the operators behind the anchor need of its output, and of what the layer reads."""
        op = self._graph.ops[shape.layer.anchor]
        if op.outputs == shape.layer.outputs:
            return (key[0], *(NOTHING for _ in shape.reads))
        place = (shape.kind, key)
        if place not in self._behind:
            self._behind[place] = self._numbers((op.outputs[0], *shape.reads), [
                walk(self._graph, shape.layer, wanted, {op.id: None})[1]
                for wanted in self._needs.wanted(shape, key)
            ])
        return self._behind[place]

    def _numbers(
        self, tensors: Sequence[int], held: Sequence[Mapping[int, Region]]
    ) -> tuple[int, ...]:
        """Needs of tensors, from the regions that each board holds."""
        found: list[int] = []
        for tensor in tensors:
            nothing = empty(len(self._graph.tensors[tensor].shape))
            found.append(self._needs.need([one.get(tensor, nothing) for one in held]))
        return tuple(found)

    def _cells(self, shape: LayerShape, share: Split) -> tuple[Region, ...]:
        """Each board's share of the anchor's first input."""
        size = self._graph.ops[shape.layer.anchor].in_shapes[0]
        if (share, size) not in self._shares:
            self._shares[share, size] = share.owned(size, self._needs.boards)
        return self._shares[share, size]
