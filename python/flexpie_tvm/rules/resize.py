# SPDX-License-Identifier: Apache-2.0
"""Resizing of images in 1 to 3 dimensions, and upsampling.

By whole factors, a tile is resized by itself: inputs ``[a, b)`` give outputs ``[a*s, b*s)``.
Those near the tile's edge differ for linear interpolation, because the neighbour is missing:
so one more input row is read on each side that is not the image's edge, and the outputs that
belong to it are dropped.

By other factors, and with ``align_corners``, the tile is put together from taps: output row o
is ``(1 - f) * input[low] + f * input[high]``. Cubic interpolation stays whole in space.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region, whole
from .base import Rule, Tile
from .layout import Layout, parse_layout
from .taps import Taps, find_taps


class Resize(Rule):
    """Cuttable along every axis; not in space for cubic interpolation."""

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        spatial = [layout.index(x) for x in layout.spatial]
        for axis, letter in enumerate(layout.letters):
            if letter.islower():
                region = region.replace(axis, 0, op.out_shape[axis])
        cut = [axis for axis in spatial if region.shape[axis] < op.out_shape[axis]]
        if all(_by_factor(op, axis) for axis in cut):
            return _factor_tile(op, region, layout, spatial)
        found = [_taps(op, axis, region) for axis in spatial]
        taps = [one for one in found if one is not None]
        if len(taps) == len(found):
            return _taps_tile(op, region, spatial, taps)
        for axis in cut:
            if not _by_factor(op, axis):
                region = region.replace(axis, 0, op.out_shape[axis])
        return _factor_tile(op, region, layout, spatial)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return region.volume * (1 if op.attrs["method"] == "nearest_neighbor" else 8)


def _factor_tile(op: Op, region: Region, layout: Layout, spatial: list[int]) -> Tile:
    source, result = region, region
    size: list[int] = []
    for axis in spatial:
        extent, outputs = op.in_shapes[0][axis], op.out_shape[axis]
        a, b = region.bounds[axis]
        start, stop, low, high = 0, extent, 0, outputs
        if b - a < outputs:
            factor = outputs // extent
            margin = 0 if _reads_own_pixel(op) else 1
            start, stop = max(0, a // factor - margin), min(extent, -(-b // factor) + margin)
            low, high = start * factor, stop * factor
        source = source.replace(axis, start, stop)
        result = result.replace(axis, low, high)
        size.append(high - low)
    others = tuple(whole(s) for s in op.in_shapes[1:])
    attrs = {"size": tuple(size)} if "size" in op.attrs else {}
    return Tile(result, (source, *others), attrs)


def _taps_tile(op: Op, region: Region, spatial: list[int], taps: list[Taps]) -> Tile:
    """``taps`` names, per axis, what each output row reads; see ``relay.lower``."""
    source = region
    steps: list[tuple[int, tuple[int, ...], tuple[int, ...], tuple[float, ...]]] = []
    for axis, (low, high, part) in zip(spatial, taps, strict=True):
        start, stop = min(low), max(high) + 1
        source = source.replace(axis, start, stop)
        lower, upper = tuple(k - start for k in low), tuple(k - start for k in high)
        steps.append((axis, lower, upper, part))
    others = tuple(whole(s) for s in op.in_shapes[1:])
    return Tile(region, (source, *others), {"taps": tuple(steps)})


def _taps(op: Op, axis: int, region: Region) -> Taps | None:
    return find_taps(
        *region.bounds[axis],
        op.in_shapes[0][axis],
        op.out_shape[axis],
        op.attrs["method"],
        _mode(op),
        op.attrs.get("rounding_method", ""),
    )


def _mode(op: Op) -> str:
    if op.kind == "nn.upsampling":
        return "align_corners" if op.attrs["align_corners"] else "asymmetric"
    return op.attrs["coordinate_transformation_mode"]


def _reads_own_pixel(op: Op) -> bool:
    """True if output o reads input o // factor and no other."""
    if op.attrs["method"] != "nearest_neighbor":
        return False
    return op.attrs.get("rounding_method", "") in ("", "floor") and _mode(op) == "asymmetric"


def _by_factor(op: Op, axis: int) -> bool:
    """True if output coordinate o always reads around input o // factor."""
    extent, outputs = op.in_shapes[0][axis], op.out_shape[axis]
    if extent == 0 or outputs % extent or op.attrs["method"] in ("cubic", "bicubic"):
        return False
    return _mode(op) in ("asymmetric", "half_pixel", "pytorch_half_pixel") and outputs > 1


RULES: dict[str, Rule] = {
    **{f"image.resize{rank}d": Resize() for rank in (1, 2, 3)},
    "nn.upsampling": Resize(),
    "nn.upsampling3d": Resize(),
}
