# SPDX-License-Identifier: Apache-2.0
"""Pooling: windows, global and adaptive."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import parse_layout
from .window import paddings, spread, window_span


class WindowPool(Rule):
    """Max and average pools: cuttable along every axis.

    ``ceil_mode`` and ``count_include_pad`` need nothing special: the padding of a tile is
    exactly what sticks out of the image.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        spatial = [x for x in layout.letters if x in "DHW"]
        kernel = spread(op.attrs["pool_size"], len(spatial))
        strides = spread(op.attrs["strides"], len(spatial))
        dilation = spread(op.attrs["dilation"], len(spatial))
        before, _ = paddings(op.attrs["padding"], len(spatial))
        source, result, pads = region, region, []
        for k, letter in enumerate(spatial):
            axis = layout.index(letter)
            span = window_span(
                *region.bounds[axis],
                op.in_shapes[0][axis],
                kernel[k],
                strides[k],
                dilation[k],
                before[k],
            )
            source = source.replace(axis, span.start, span.stop)
            result = result.replace(axis, span.out_start, span.out_stop)
            pads.append((span.before, span.after))
        attrs = {
            "padding": tuple(p for p, _ in pads) + tuple(p for _, p in pads),
            "ceil_mode": False,
        }
        return Tile(result, (source,), attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return region.volume * prod(spread(op.attrs["pool_size"], 1))


class GlobalPool(Rule):
    """Global and adaptive pools: cuttable along batch and channels, never in space."""

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        source, result = region, region
        for axis, letter in enumerate(layout.letters):
            if letter in "DHW":
                source = source.replace(axis, 0, op.in_shapes[0][axis])
                result = result.replace(axis, 0, op.out_shape[axis])
        return Tile(result, (source,))

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return prod(op.in_shapes[0]) * region.volume // max(1, whole(op.out_shape).volume)


RULES: dict[str, Rule] = {
    **{f"nn.{kind}_pool{rank}d": WindowPool() for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"nn.global_{kind}_pool2d": GlobalPool() for kind in ("max", "avg")},
    **{
        f"nn.adaptive_{kind}_pool{rank}d": GlobalPool()
        for kind in ("max", "avg")
        for rank in (1, 2, 3)
    },
}
