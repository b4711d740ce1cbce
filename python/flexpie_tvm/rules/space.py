# SPDX-License-Identifier: Apache-2.0
"""Blocks of pixels to channels or batches, and back."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import parse_layout


class DepthToSpace(Rule):
    """Cuttable along batch, rows and columns; along channels in mode CRD."""

    def tile(self, op: Op, region: Region) -> Tile:
        layout, block = parse_layout(op.attrs["layout"]), op.attrs["block_size"]
        source, result = region, region
        for letter in "HW":
            axis = layout.index(letter)
            start, stop = region.bounds[axis]
            start, stop = start // block, -(-stop // block)
            source = source.replace(axis, start, stop)
            result = result.replace(axis, start * block, stop * block)
        c = layout.index("C")
        start, stop = region.bounds[c]
        if op.attrs["mode"] != "CRD":
            start, stop = 0, op.out_shape[c]
        source = source.replace(c, start * block * block, stop * block * block)
        return Tile(result.replace(c, start, stop), (source,))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes


class SpaceToDepth(Rule):
    """Cuttable along batch, rows and columns."""

    def tile(self, op: Op, region: Region) -> Tile:
        layout, block = parse_layout(op.attrs["layout"]), op.attrs["block_size"]
        source = region
        for letter in "HW":
            axis = layout.index(letter)
            start, stop = region.bounds[axis]
            source = source.replace(axis, start * block, stop * block)
        c = layout.index("C")
        source = source.replace(c, 0, op.in_shapes[0][c])
        return Tile(region.replace(c, 0, op.out_shape[c]), (source,))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes


class SpaceToBatch(Rule):
    """Cuttable along the axes behind the blocked ones."""

    def tile(self, op: Op, region: Region) -> Tile:
        blocked = 1 + len(op.attrs["block_shape"])
        rest = region.bounds[blocked:]
        source = Region(whole(op.in_shapes[0]).bounds[:blocked] + rest)
        return Tile(Region(whole(op.out_shape).bounds[:blocked] + rest), (source,))


RULES: dict[str, Rule] = {
    "nn.depth_to_space": DepthToSpace(),
    "nn.space_to_depth": SpaceToDepth(),
    "nn.space_to_batch_nd": SpaceToBatch(),
    "nn.batch_to_space_nd": SpaceToBatch(),
}
