# SPDX-License-Identifier: Apache-2.0
"""Convolutions: plain, grouped, depthwise, dilated; 1-D to 3-D; any layout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any, NamedTuple

from ..graph import Axes, Op, Region
from .base import Rule, Tile
from .layout import Layout, parse_layout
from .window import paddings, spread, window_span


class Conv(Rule):
    """Cuttable along the batch, every spatial axis and output channels (or their blocks)."""

    def tile(self, op: Op, region: Region) -> Tile:
        data, kernel, out = _layouts(op)
        places = _places(*_names(op))
        strides = spread(op.attrs["strides"], len(places.spatial))
        dilation = spread(op.attrs["dilation"], len(places.spatial))
        before, _ = paddings(op.attrs["padding"], len(places.spatial))
        sizes, windows = op.in_shapes[:2]
        source, result = [(0, n) for n in sizes], list(region.bounds)
        pads: list[tuple[int, int]] = []
        source[places.batch[0]] = region.bounds[places.batch[1]]
        for k, (read, window, made) in enumerate(places.spatial):
            span = window_span(
                *region.bounds[made], sizes[read], windows[window],
                strides[k], dilation[k], before[k],
            )  # fmt: skip
            source[read] = (span.start, span.stop)
            result[made] = (span.out_start, span.out_stop)
            pads.append((span.before, span.after))
        channels = _channels(op, data, kernel, out, region)
        source[places.channels[0]] = channels.source
        result[places.channels[1]] = channels.result
        if places.block is not None:
            result[places.block] = (0, out.block("C"))
        weight = [(0, n) for n in windows]
        weight[places.filters] = channels.weight
        attrs: dict[str, Any] = {
            "padding": tuple([p for p, _ in pads] + [p for _, p in pads]),
            "channels": (channels.result[1] - channels.result[0]) * out.block("C"),
            "groups": channels.groups,
        }
        if channels.groups == 1 and op.attrs["kernel_layout"] == "HWOI":
            attrs["kernel_layout"] = "HWIO"  # one channel: the same bytes, and TVM wants it
        regions = (Region(tuple(source)), Region(tuple(weight)))
        return Tile(Region(tuple(result)), regions, attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return _layouts(op)[2].axes

    def flops(self, op: Op, region: Region) -> int:
        _, kernel, _ = _layouts(op)
        per_output = prod(op.in_shapes[1]) // (
            op.in_shapes[1][kernel.index("O")] * kernel.block("O")
        )
        return 2 * region.volume * per_output


class _Places(NamedTuple):
    """Where axes are in the shapes of data, kernel and output."""

    batch: tuple[int, int]  # data, output
    spatial: tuple[tuple[int, int, int], ...]  # data, kernel, output
    channels: tuple[int, int]  # data, output
    block: int | None  # output's channels within a block
    filters: int  # kernel's output channels


@cache
def _places(*names: str) -> _Places:
    data, kernel, out = map(parse_layout, names)
    return _Places(
        (data.index("N"), out.index("N")),
        tuple((data.index(x), kernel.index(x), out.index(x)) for x in data.spatial),
        (data.index("C"), out.index("C")),
        out.find("c"),
        kernel.index("O"),
    )


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
    data, kernel, out = _names(op)
    return parse_layout(data), parse_layout(kernel), parse_layout(out)


def _names(op: Op) -> tuple[str, str, str]:
    data = op.attrs["data_layout"]
    return data, op.attrs["kernel_layout"], op.attrs.get("out_layout") or data


RULES: dict[str, Rule] = {
    "nn.conv1d": Conv(),
    "nn.conv2d": Conv(),
    "nn.conv3d": Conv(),
    "nn.contrib_conv2d_NCHWc": Conv(),
    "nn.contrib_depthwise_conv2d_NCHWc": Conv(),
}
