# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions: with groups; 1-D to 3-D; any layout without blocks."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import Layout, parse_layout
from .window import paddings, spread, transposed_span


class TransposedConv(Rule):
    """Cuttable along the batch, every spatial axis and output channels.

    The weights hold all input channels but only one group's output channels.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        data, kernel = (
            parse_layout(op.attrs["data_layout"]),
            parse_layout(op.attrs["kernel_layout"]),
        )
        if any(n > 1 for n in data.factors) or kernel.find("G") is not None:
            return super().tile(op, region)
        source, weight = whole(op.in_shapes[0]), whole(op.in_shapes[1])
        source = source.replace(data.index("N"), *region.bounds[data.index("N")])
        source, pads, extra = _spatial_spans(op, data, kernel, region, source)
        result, groups = region, op.attrs["groups"]
        c, o, i = data.index("C"), kernel.index("O"), kernel.index("I")
        start, stop = region.bounds[c]
        per_in, per_out = op.in_shapes[0][c] // groups, op.in_shapes[1][o]
        first, last = start // per_out, -(-stop // per_out)
        if last - first > 1:  # groups are kept whole
            start, stop = first * per_out, last * per_out
            result = result.replace(c, start, stop)
        else:
            weight = weight.replace(o, start - first * per_out, stop - first * per_out)
        weight = weight.replace(i, first * per_in, last * per_in)
        source = source.replace(c, first * per_in, last * per_in)
        attrs = {
            "padding": tuple(p for p, _ in pads) + tuple(p for _, p in pads),
            "output_padding": tuple(extra),
            "channels": stop - start,
            "groups": last - first,
        }
        return Tile(result, (source, weight), attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["data_layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        channels = op.in_shapes[0][parse_layout(op.attrs["data_layout"]).index("C")]
        per_input = prod(op.in_shapes[1]) // max(1, channels)
        return 2 * prod(op.in_shapes[0]) * per_input * region.volume // max(1, prod(op.out_shape))


def _spatial_spans(
    op: Op, data: Layout, kernel: Layout, region: Region, source: Region
) -> tuple[Region, list[tuple[int, int]], list[int]]:
    """Input region, padding and output padding along the spatial axes."""
    spatial = data.spatial
    strides = spread(op.attrs["strides"], len(spatial))
    dilation = spread(op.attrs["dilation"], len(spatial))
    before, _ = paddings(op.attrs["padding"], len(spatial))
    pads: list[tuple[int, int]] = []
    extra: list[int] = []
    for k, letter in enumerate(spatial):
        axis = data.index(letter)
        span = transposed_span(
            *region.bounds[axis],
            op.in_shapes[0][axis],
            op.in_shapes[1][kernel.index(letter)],
            strides[k],
            dilation[k],
            before[k],
        )
        source = source.replace(axis, span.start, span.stop)
        pads.append((span.before, max(0, span.after)))
        extra.append(max(0, -span.after))
    return source, pads, extra


RULES: dict[str, Rule] = {f"nn.conv{rank}d_transpose": TransposedConv() for rank in (1, 2, 3)}
