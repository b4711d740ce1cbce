# SPDX-License-Identifier: Apache-2.0
"""Register tiles of x86, where a number of the input is spread over a vector as it is read.

With AVX-512 a product reads and spreads its number itself if nothing else needs it, so a vector of
channels by many pixels takes hardly more than the products. AVX2 spreads into registers, which
several vectors of channels then share. Without TVM; pure numbers.
"""

from __future__ import annotations

from ..machine import VectorUnit
from .register_tile import PER_SUM, PER_TILE, ConvShape, RegisterTile, parts, tiles

#: Sums that are computed in the time of one, because a product takes some cycles.
LEAST_SUMS = 8


def takes_convolution(shape: ConvShape, unit: VectorUnit) -> bool:
    """Whether a direct convolution is faster in these tiles than by TVM's kernel.

    TVM's kernel has as many sums as 32 registers hold, and leaves them with 16. With 32 it is as
    fast, but for windows of one pixel, whose loops are short.
    """
    if unit.is_arm or not unit.fma or shape.block != unit.lanes:
        return False
    return not unit.has_many_registers or shape.window == (1, 1)


def spread_tiles(shape: ConvShape, unit: VectorUnit) -> list[RegisterTile]:
    """All tiles that fit the registers, the fastest first.

    Parameters
    ----------
    shape : ConvShape
        What is computed. A tile's channels and rows divide it; the last columns may be fewer.
    unit : VectorUnit
        One of x86.
    """
    fitting = [tile for tile in tiles(shape) if _fits(tile, unit)]
    return sorted(fitting, key=lambda tile: _work(shape, tile, unit))


def _fits(tile: RegisterTile, unit: VectorUnit) -> bool:
    pixels = tile.rows * tile.columns
    if unit.has_many_registers:
        # LLVM runs out of registers where two or three vectors share what was spread
        return tile.vectors == 1 or (tile.vectors == 4 and pixels <= 5)
    return tile.sums + pixels + 1 <= unit.registers


def _work(shape: ConvShape, tile: RegisterTile, unit: VectorUnit) -> float:
    taps = shape.window[0] * shape.window[1] * shape.in_blocks * shape.in_block
    own = tile.vectors == 1 and unit.has_many_registers
    total = 0.0
    for rows, high in parts(shape.rows, tile.rows):
        for columns, wide in parts(shape.columns, tile.columns):
            pixels = high * wide
            reads = tile.vectors / 2 + (0 if own else pixels / 2)
            sums = tile.vectors * pixels
            step = max(sums + reads, LEAST_SUMS)
            total += rows * columns * (step * taps + sums * PER_SUM + PER_TILE)
    return total * shape.blocks / tile.vectors
