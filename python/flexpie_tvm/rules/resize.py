# SPDX-License-Identifier: Apache-2.0
"""image.resize2d by whole factors, cut in space; by other factors, along channels only."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Axes, Op, Region
from .base import Rule, Tile
from .layout import parse_layout


class Resize(Rule):
    """Resize of images, also ``nn.upsampling``.

    A tile of inputs ``[a, b)`` resized by itself gives outputs ``[a*s, b*s)``. Those near
    the tile's edge differ for linear interpolation, because the neighbour is missing: so
    one more input row is read on each side that is not the image's edge, and the outputs
    that belong to it are dropped.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        layout = parse_layout(op.attrs["layout"])
        source, result, size = region, region, []
        for letter in "HW":
            axis = layout.index(letter)
            extent, outputs = op.in_shapes[0][axis], op.out_shape[axis]
            start, stop = 0, extent
            if _cut_in_space(op, extent, outputs):
                factor = outputs // extent
                margin = 0 if _reads_own_pixel(op) else 1
                a, b = region.bounds[axis]
                start = max(0, a // factor - margin)
                stop = min(extent, -(-b // factor) + margin)
            factor = outputs // extent if outputs % extent == 0 else 1
            low, high = (0, outputs) if stop - start == extent else (start * factor, stop * factor)
            source = source.replace(axis, start, stop)
            result = result.replace(axis, low, high)
            size.append(high - low)
        others = tuple(Region(tuple((0, n) for n in s)) for s in op.in_shapes[1:])
        attrs = {"size": tuple(size)} if "size" in op.attrs else {}
        return Tile(result, (source, *others), attrs)

    def axes(self, op: Op, inputs: Sequence[Axes]) -> Axes:
        return parse_layout(op.attrs["layout"]).axes

    def flops(self, op: Op, region: Region) -> int:
        return region.volume * (1 if op.attrs["method"] == "nearest_neighbor" else 8)


def _reads_own_pixel(op: Op) -> bool:
    """True if output o reads input o // factor and no other."""
    if op.attrs["method"] != "nearest_neighbor":
        return False
    floors = op.attrs.get("rounding_method", "floor") in ("", "floor")
    return floors and op.attrs.get("coordinate_transformation_mode", "asymmetric") == "asymmetric"


def _cut_in_space(op: Op, extent: int, outputs: int) -> bool:
    """True if output coordinate o always reads around input o // factor."""
    if extent == 0 or outputs % extent:
        return False
    mode = op.attrs.get("coordinate_transformation_mode", "align_corners")
    if "coordinate_transformation_mode" not in op.attrs:
        mode = "align_corners" if op.attrs.get("align_corners") else "asymmetric"
    if op.attrs["method"] in ("cubic", "bicubic"):
        return False
    return mode in ("asymmetric", "half_pixel", "pytorch_half_pixel") and outputs > 1


RULES: dict[str, Rule] = {"image.resize2d": Resize(), "nn.upsampling": Resize()}
