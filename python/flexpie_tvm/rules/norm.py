# SPDX-License-Identifier: Apache-2.0
"""Operators that keep the shape but look along whole axes: softmax, norms, scans, sorts."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Op, Region, whole
from .base import Rule, Tile


class AlongAxis(Rule):
    """The attribute's axis (or axes) is computed whole, all other axes are cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        axis: int | Sequence[int] | None = op.attrs["axis"]
        if axis is None:
            return super().tile(op, region)
        for one in [axis] if isinstance(axis, int) else axis:
            one %= region.rank
            region = region.replace(one, 0, op.out_shape[one])
        return Tile(region, (region, *(whole(s) for s in op.in_shapes[1:])))

    def flops(self, op: Op, region: Region) -> int:
        return 5 * region.volume


class Lrn(AlongAxis):
    """Every axis but channels is cuttable: they read their neighbours."""


class Triangle(Rule):
    """All but the last two axes are cuttable."""

    def tile(self, op: Op, region: Region) -> Tile:
        for axis in (region.rank - 2, region.rank - 1):
            region = region.replace(axis, 0, op.out_shape[axis])
        return Tile(region, (region, *(whole(s) for s in op.in_shapes[1:])))


class InstanceNorm(Rule):
    """Cuttable along batch and channels; scale and shift are per channel."""

    def tile(self, op: Op, region: Region) -> Tile:
        channel: int = op.attrs["axis"] % region.rank
        for axis in range(1, region.rank):
            if axis != channel:
                region = region.replace(axis, 0, op.out_shape[axis])
        parameter = Region((region.bounds[channel],))
        return Tile(region, (region, parameter, parameter))

    def flops(self, op: Op, region: Region) -> int:
        return 8 * region.volume


class GroupNorm(Rule):
    """Cuttable along the batch and between groups of channels."""

    def tile(self, op: Op, region: Region) -> Tile:
        channel: int = op.attrs["axis"] % region.rank
        groups: int = op.attrs["num_groups"]
        size = op.out_shape[channel] // groups
        start, stop = region.bounds[channel]
        first, last = start // size, -(-stop // size)
        for axis in range(1, region.rank):
            region = region.replace(axis, 0, op.out_shape[axis])
        region = region.replace(channel, first * size, last * size)
        parameter = Region((region.bounds[channel],))
        return Tile(region, (region, parameter, parameter), {"num_groups": last - first})

    def flops(self, op: Op, region: Region) -> int:
        return 8 * region.volume


RULES: dict[str, Rule] = {
    **{
        kind: AlongAxis()
        for kind in (
            "nn.softmax",
            "nn.fast_softmax",
            "nn.log_softmax",
            "nn.l2_normalize",
            "nn.layer_norm",
            "cumsum",
            "cumprod",
            "sort",
            "argsort",
        )
    },
    "nn.lrn": Lrn(),
    "nn.instance_norm": InstanceNorm(),
    "nn.group_norm": GroupNorm(),
    "trilu": Triangle(),
}
