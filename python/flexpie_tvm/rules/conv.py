# SPDX-License-Identifier: Apache-2.0
"""Convolutions: plain, grouped, depthwise, dilated; 1-D to 3-D; any layout."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import Layout, parse_layout
from .window import paddings, spread, window_span


class Conv(Rule):
    """Cuttable along the batch, every spatial axis and output channels (or their blocks)."""

    def tile(self, op: Op, region: Region) -> Tile:
        data, kernel, out = _layouts(op)
        spatial = data.spatial
        strides = spread(op.attrs["strides"], len(spatial))
        dilation = spread(op.attrs["dilation"], len(spatial))
        before, _ = paddings(op.attrs["padding"], len(spatial))
        source, result, pads = whole(op.in_shapes[0]), region, []
        source = source.replace(data.index("N"), *region.bounds[out.index("N")])
        for k, axis in enumerate(spatial):
            span = window_span(
                *region.bounds[out.index(axis)],
                op.in_shapes[0][data.index(axis)],
                op.in_shapes[1][kernel.index(axis)],
                strides[k],
                dilation[k],
                before[k],
            )
            source = source.replace(data.index(axis), span.start, span.stop)
            result = result.replace(out.index(axis), span.out_start, span.out_stop)
            pads.append((span.before, span.after))
        channels = _channels(op, data, kernel, out, region)
        source = source.replace(data.index("C"), *channels.source)
        result = result.replace(out.index("C"), *channels.result)
        if out.index("c") is not None:
            result = result.replace(out.index("c"), 0, out.block("C"))
        weight = whole(op.in_shapes[1]).replace(kernel.index("O"), *channels.weight)
        attrs = {
            "padding": tuple(p for p, _ in pads) + tuple(p for _, p in pads),
            "channels": (channels.result[1] - channels.result[0]) * out.block("C"),
            "groups": channels.groups,
        }
        if channels.groups == 1 and op.attrs["kernel_layout"] == "HWOI":
            attrs["kernel_layout"] = "HWIO"  # one channel: the same bytes, and TVM wants it
        return Tile(result, (source, weight), attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return _layouts(op)[2].axes

    def flops(self, op: Op, region: Region) -> int:
        _, kernel, _ = _layouts(op)
        per_output = prod(op.in_shapes[1]) // (
            op.in_shapes[1][kernel.index("O")] * kernel.block("O")
        )
        return 2 * region.volume * per_output


class _Channels(NamedTuple):
    """Channel ranges of one tile, in units of each layout's channel axis."""

    source: tuple[int, int]
    result: tuple[int, int]
    weight: tuple[int, int]
    groups: int


def _channels(op: Op, data: Layout, kernel: Layout, out: Layout, region: Region) -> _Channels:
    start, stop = region.bounds[out.index("C")]
    groups = op.attrs["groups"]
    inputs = op.in_shapes[0][data.index("C")]
    if groups == 1:
        return _Channels((0, inputs), (start, stop), (start, stop), 1)
    outputs = op.out_shape[out.index("C")]
    if data.block("C") > 1 or out.block("C") > 1:
        # Blocked depthwise: one block in, one block out. Other blocked groups stay whole.
        if inputs == outputs and data.block("C") == out.block("C") and _is_depthwise(op):
            count = (stop - start) * out.block("C")
            return _Channels((start, stop), (start, stop), (start, stop), count)
        return _Channels((0, inputs), (0, outputs), (0, op.in_shapes[1][0]), groups)
    per_in, per_out = inputs // groups, outputs // groups
    first, last = start // per_out, -(-stop // per_out)
    source = (first * per_in, last * per_in)
    if op.in_shapes[1][kernel.index("O")] != outputs:
        # Depthwise HWOI keeps input channels as O and their multiplier as I.
        return _Channels(source, (first * per_out, last * per_out), (first, last), last - first)
    if last - first > 1:
        start, stop = first * per_out, last * per_out
    return _Channels(source, (start, stop), (start, stop), last - first)


def _is_depthwise(op: Op) -> bool:
    return op.kind == "nn.contrib_depthwise_conv2d_NCHWc"


def _layouts(op: Op) -> tuple[Layout, Layout, Layout]:
    data = op.attrs["data_layout"]
    out = op.attrs.get("out_layout") or data
    return parse_layout(data), parse_layout(op.attrs["kernel_layout"]), parse_layout(out)


RULES: dict[str, Rule] = {
    "nn.conv1d": Conv(),
    "nn.conv2d": Conv(),
    "nn.conv3d": Conv(),
    "nn.contrib_conv2d_NCHWc": Conv(),
    "nn.contrib_depthwise_conv2d_NCHWc": Conv(),
}
