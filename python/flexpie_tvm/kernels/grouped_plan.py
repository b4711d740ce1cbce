# SPDX-License-Identifier: Apache-2.0
"""How the pixels of a grouped convolution lie in memory, and in which tiles they are computed.

Without TVM; pure numbers. `grouped_conv` says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph.steps import register_tile
from ..machine import VectorUnit


@dataclass(frozen=True)
class ImageAxis:
    """One axis of the image.

    Parameters
    ----------
    window, stride, dilation : int
        Of the convolution.
    before : int
        Zeros before the first element.
    size, results : int
        Elements of the axis, and of the result.
    """

    window: int
    stride: int
    dilation: int
    before: int
    size: int
    results: int

    @property
    def phases(self) -> int:
        """Remainders of places by the stride that windows read."""
        return min(self.stride, (self.window - 1) * self.dilation + 1)

    @property
    def reach(self) -> int:
        """Elements of one remainder that a window spans behind its first."""
        return (self.window - 1) * self.dilation // self.stride

    @property
    def is_plain(self) -> bool:
        """Whether each result is of the element at its own place."""
        return (self.window, self.stride) == (1, 1) and self.results == self.size


@dataclass(frozen=True)
class PixelPlan:
    """How the pixels of a group are computed.

    Parameters
    ----------
    high, wide : ImageAxis
        Rows and columns; a pointwise convolution has one long row.
    width : int
        Elements of a row, one remainder by the stride.
    step, vectors, lanes : int
        Filters, and vectors of pixels, of a tile.
    pixels : int
        Results of a group's filter, with those between rows.
    """

    high: ImageAxis
    wide: ImageAxis
    width: int
    step: int
    vectors: int
    lanes: int
    pixels: int

    @property
    def is_point(self) -> bool:
        """Whether all is one pixel. It is computed twice: LLVM makes slow code of numbers."""
        return self.high.is_plain and self.wide.is_plain and self.pixels == 1

    @property
    def blocks(self) -> int:
        """Tiles along the pixels."""
        return -(-self.pixels // (self.vectors * self.lanes))

    @property
    def unit(self) -> int:
        """Pixels side by side in the sums: TVM computes whole units, if there is one."""
        return self.lanes * (self.vectors if self.blocks > 1 else 1)

    @property
    def units(self) -> int:
        """Units of all tiles."""
        return self.blocks * self.vectors * self.lanes // self.unit

    @property
    def rows(self) -> int:
        """Rows of the image, with those that the last tile has too many."""
        read = self.units * self.unit + self.high.reach * self.width + self.wide.reach
        return -(-read // self.width)


def pixel_plan(high: ImageAxis, wide: ImageAxis, filters: int, unit: VectorUnit) -> PixelPlan:
    """How a group's pixels are computed, as one long row that rows of the image make up.

    Parameters
    ----------
    high, wide : ImageAxis
        Rows and columns.
    filters : int
        Of a group.
    unit : VectorUnit
        Whose registers hold the accumulators.
    """
    pixels = (high.results - 1) * (wide.results + wide.reach) + wide.results
    lanes = unit.lanes
    step, vectors = register_tile(filters, pixels, unit)
    if high.is_plain and wide.is_plain:
        row, column = ImageAxis(1, 1, 1, 0, 1, 1), ImageAxis(1, 1, 1, 0, pixels, pixels)
        block = vectors * lanes
        return PixelPlan(row, column, -(-pixels // block) * block, step, vectors, lanes, pixels)
    return PixelPlan(high, wide, wide.results + wide.reach, step, vectors, lanes, pixels)
