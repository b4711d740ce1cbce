# SPDX-License-Identifier: Apache-2.0
"""Pooling: windows, global and adaptive."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import Layout, parse_layout
from .window import paddings, spread, window_span


class WindowPool(Rule):
    """Max and average pools: cuttable along every axis.

    The padding of a tile is what sticks out of the image. What sticks out of the padding as
    well (``ceil_mode``) is left to the tile's ``ceil_mode``: such elements never count.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        spatial = layout.spatial
        kernel = spread(op.attrs["pool_size"], len(spatial))
        strides = spread(op.attrs["strides"], len(spatial))
        dilation = spread(op.attrs["dilation"], len(spatial))
        before, after = paddings(op.attrs["padding"], len(spatial))
        source, result, ceil = region, region, False
        pads: list[tuple[int, int]] = []
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
            pads.append((span.before, min(span.after, after[k])))
            ceil = ceil or span.after > after[k]
        source, result = keep_blocks(op, layout, source, result)
        attrs = {
            "padding": tuple(p for p, _ in pads) + tuple(p for _, p in pads),
            "ceil_mode": ceil,
        }
        return Tile(result, (source,), attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return region.volume * prod(spread(op.attrs["pool_size"], 1))


class GlobalPool(Rule):
    """Cuttable along batch and channels, and in space where the size divides the image's.

    Each output of an adaptive pool then reads its own block.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        source, result = region, region
        sizes: list[int] = []
        for axis in (layout.index(letter) for letter in layout.spatial):
            extent, outputs = op.in_shapes[0][axis], op.out_shape[axis]
            start, stop = (0, outputs) if extent % outputs else region.bounds[axis]
            source = source.replace(axis, start * extent // outputs, stop * extent // outputs)
            result = result.replace(axis, start, stop)
            sizes.append(stop - start)
        source, result = keep_blocks(op, layout, source, result)
        return Tile(result, (source,), {"output_size": tuple(sizes)})

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return prod(op.in_shapes[0]) * region.volume // max(1, whole(op.out_shape).volume)


def keep_blocks(op: Op, layout: Layout, source: Region, result: Region) -> tuple[Region, Region]:
    """Input and output regions with the blocks of a layout such as NCHW16c whole.

    Parameters
    ----------
    op : Op
        Whose first input and output have the layout.
    layout : Layout
        The layout.
    source, result : Region
        Of the first input and of the output.
    """
    for axis, letter in enumerate(layout.letters):
        if letter.islower():
            source = source.replace(axis, 0, op.in_shapes[0][axis])
            result = result.replace(axis, 0, op.out_shape[axis])
    return source, result


RULES: dict[str, Rule] = {
    **{f"nn.{kind}_pool{rank}d": WindowPool() for kind in ("max", "avg") for rank in (1, 2, 3)},
    **{f"nn.global_{kind}_pool2d": GlobalPool() for kind in ("max", "avg")},
    **{
        f"nn.adaptive_{kind}_pool{rank}d": GlobalPool()
        for kind in ("max", "avg")
        for rank in (1, 2, 3)
    },
}
