# SPDX-License-Identifier: Apache-2.0
"""In which steps kernels go through a tile: what schedules choose and cost models look at.

A kernel computes as much at once as registers hold. How well a tile's extents fit such a step
decides how fast it is, and no size tells: 37 columns are two steps of 19, 36 are two of 18, and
38 two of 19.
"""

from __future__ import annotations

from typing import overload

import numpy as np

from ..machine import VectorUnit
from .arithmetic import largest_divisor

#: Columns of a convolution that fit the vector registers beside weights and input.
MOST = 31
#: Divisors from here on keep the arithmetic units busy.
FEW = 8
#: Columns of a depthwise convolution, which does little with each: more spill registers.
MOST_DEPTHWISE = 12
#: Rows of a matrix product, where the block of columns is one vector or registers are many.
MOST_ROWS = 8
#: Sums (vectors), rows and vectors beside each other of a tile of a batch of products, where
#: there are 32 registers.
BATCH_SUMS, BATCH_ROWS, BATCH_VECTORS = 24, 8, 8
#: Sums and rows where there are fewer registers.
BATCH_SUMS_SCARCE, BATCH_ROWS_SCARCE = 12, 6
#: Instructions of a step of the depth beside products and loads, where lanes are multiplied.
LANE_STEP = 3
#: Rows where the block is two vectors and there are fewer registers.
MOST_ROWS_SCARCE = 6


@overload
def equal_step(extent: int, most: int) -> int: ...
@overload
def equal_step(extent: np.ndarray, most: int | np.ndarray) -> np.ndarray: ...
def equal_step(extent: int | np.ndarray, most: int | np.ndarray) -> int | np.ndarray:
    """The step of the fewest equal steps of at most ``most``; the last may be shorter.

    Parameters
    ----------
    extent, most : int or numpy.ndarray
        Elements to go through, at most so many at once. Arrays are taken element by element.
    """
    return -(-extent // -(-extent // most))


def convolution_step(columns: int) -> int:
    """Columns that a convolution with a window computes at once."""
    step = largest_divisor(columns, MOST)
    return equal_step(columns, MOST) if step < FEW < columns else step


def pointwise_step(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns that a 1x1 convolution computes at once."""
    wide = largest_divisor(columns, MOST)
    high = largest_divisor(rows, MOST // wide)
    return (1, equal_step(columns, MOST)) if wide * high < FEW < columns else (high, wide)


def column_block(columns: int, lanes: int) -> int:
    """Columns of a matrix product that are computed together: whole vectors, or part of one.

    A block that is more than one vector, but not a whole number of them, is taken apart by LLVM
    and leaves the registers; it is the last resort.
    """
    if columns % (2 * lanes) == 0:
        return 2 * lanes
    narrow = largest_divisor(columns, lanes)
    return narrow if narrow > 1 else largest_divisor(columns, 2 * lanes)


def padded_columns(columns: int, lanes: int) -> int:
    """Columns of a matrix product with those that are added for whole vectors; maybe none.

    They are where whole vectors are fewer than the blocks that divide the columns.
    """
    block, vectors = column_block(columns, lanes), -(-columns // lanes)
    scattered = lanes < columns and block % lanes != 0
    narrow = vectors < columns // block or block > lanes
    return vectors * lanes if scattered and narrow else columns


def most_rows(block: int, unit: VectorUnit) -> int:
    """Rows of a matrix product whose sums fit the registers, for a block of columns."""
    if block <= unit.lanes:
        return MOST_ROWS
    if block % unit.lanes:
        return 1
    return MOST_ROWS if unit.has_many_registers else MOST_ROWS_SCARCE


def blocks_together(blocks: int) -> int:
    """How many blocks of columns a matrix product takes before it goes on to the next rows."""
    together = 1
    while blocks // together > 4 and blocks // together % 2 == 0:
        together *= 2
    return together


def sums_and_rows(unit: VectorUnit) -> tuple[int, int]:
    """Sums (vectors) and rows that a tile of a batch of products, or of groups, has at most."""
    if unit.has_many_registers:
        return BATCH_SUMS, BATCH_ROWS
    return BATCH_SUMS_SCARCE, BATCH_ROWS_SCARCE


def register_tile(rows: int, columns: int, unit: VectorUnit) -> tuple[int, int]:
    """Rows and vectors of a tile whose sums fit the registers: of batches of products, of groups.

    Parameters
    ----------
    rows, columns : int
        Extents of the whole.
    unit : VectorUnit
        Whose registers hold the sums.
    """
    sums, most = sums_and_rows(unit)
    step = equal_step(rows, most)
    return step, equal_step(-(-columns // unit.lanes), min(BATCH_VECTORS, sums // step))


def lane_tile(rows: int, columns: int, unit: VectorUnit) -> tuple[int, int]:
    """Rows and vectors of a tile of products where vectors are multiplied by lanes of others.

    A vector of each row's numbers is in a register then, beside the sums. Of what fits, the tile
    with the fewest instructions.

    Parameters
    ----------
    rows, columns : int
        Extents of the whole.
    unit : VectorUnit
        Whose registers hold it all.
    """
    lanes, wide = unit.lanes, -(-columns // unit.lanes)

    def work(tile: tuple[int, int]) -> tuple[float, int]:
        step, vectors = tile
        loads = step + vectors * lanes / 2  # two vectors of a panel are read at once
        one = lanes * step * vectors + loads + LANE_STEP
        return -(-rows // step) * -(-wide // vectors) * one, -step * vectors

    steps = {equal_step(rows, most) for most in range(1, BATCH_ROWS + 1)}
    widths = {equal_step(wide, most) for most in range(1, BATCH_VECTORS + 1)}
    fitting = [
        (step, vectors)
        for step in steps
        for vectors in widths
        if step * vectors + step + min(vectors, lanes) < unit.registers
    ]
    return min(fitting, key=work)
