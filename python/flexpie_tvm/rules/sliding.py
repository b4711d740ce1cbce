# SPDX-License-Identifier: Apache-2.0
"""Windows of the last axes, laid out side by side."""

from __future__ import annotations

from ..graph import Op, Region
from .base import Rule, Tile


class SlidingWindow(Rule):
    """Every axis is cuttable; windows that overlap share what they read."""

    def tile(self, op: Op, region: Region) -> Tile:
        first, strides = op.attrs["axis"] % len(op.in_shapes[0]), op.attrs["strides"]
        batch, rest = region.bounds[:first], region.bounds[first:]
        places, inside = rest[: len(strides)], rest[len(strides) :]
        read = [
            (start * stride + low, (stop - 1) * stride + high)
            for (start, stop), (low, high), stride in zip(places, inside, strides, strict=True)
        ]
        window = tuple(high - low for low, high in inside)
        return Tile(region, (Region((*batch, *read)),), {"window_shape": window})


RULES: dict[str, Rule] = {"sliding_window": SlidingWindow()}
