# SPDX-License-Identifier: Apache-2.0
"""Operators that pick elements by index: take, gather, one_hot."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile, default_axes


class Take(Rule):
    """Every output axis is cuttable; the data is read whole along the indexed axis."""

    def tile(self, op: Op, region: Region) -> Tile:
        data, index = op.in_shapes
        axis: int | None = op.attrs["axis"]
        batch: int = op.attrs.get("batch_dims", 0)
        if axis is None:
            return Tile(region, (whole(data), region))
        axis, batch = axis % len(data), batch % max(1, len(index))
        picked = len(index) - batch  # output axes [axis, axis + picked) are those of the indices
        bounds = list(region.bounds)
        source = [*bounds[:axis], (0, data[axis]), *bounds[axis + picked :]]
        indices = [*bounds[:batch], *bounds[axis : axis + picked]]
        return Tile(region, (Region(tuple(source)), Region(tuple(indices))))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


class Gather(Rule):
    """Every output axis is cuttable; the data is read whole along the indexed axis."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        return Tile(region, (region.replace(axis, 0, op.in_shapes[0][axis]), region))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return inputs[0]


class GatherNd(Rule):
    """Every output axis is cuttable; the M axes along which indices pick are read whole."""

    def tile(self, op: Op, region: Region) -> Tile:
        data, index = op.in_shapes
        if op.attrs["batch_dims"]:
            return super().tile(op, region)
        picked, lead = len(index) - 1, index[0]
        source = [*((0, n) for n in data[:lead]), *region.bounds[picked:]]
        indices = [(0, lead), *region.bounds[:picked]]
        return Tile(region, (Region(tuple(source)), Region(tuple(indices))))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


class OneHot(Rule):
    """The new axis is computed whole, all others are cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int = op.attrs["axis"] % region.rank
        indices = Region(region.bounds[:axis] + region.bounds[axis + 1 :])
        others = tuple(whole(s) for s in op.in_shapes[1:])
        return Tile(region.replace(axis, 0, op.out_shape[axis]), (indices, *others))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return default_axes(op.out_shape)


RULES: dict[str, Rule] = {
    "take": Take(),
    "gather": Gather(),
    "gather_nd": GatherNd(),
    "one_hot": OneHot(),
}
