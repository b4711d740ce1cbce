# SPDX-License-Identifier: Apache-2.0
"""What Winograd's filtering costs, where it pays, and in how many blocks it is computed.

Without TVM; pure numbers.
"""

from __future__ import annotations

from ..machine import VectorUnit
from .register_tile import (
    BYTES_PER_CYCLE,
    CACHE_PART,
    ConvShape,
    direct_cycles,
    instructions,
    register_tile,
)

#: Rows and columns of results of a patch, of its window, and of what it reads.
RESULTS, WINDOW, PATCH = 4, 3, 6
PLACES = PATCH**2
#: Instructions that transform a patch of one vector of channels, and its results back.
PER_PATCH, PER_RESULT = 330, 260
#: The same on x86, in products of vectors that could be computed meanwhile; and starting it all.
PER_PATCH_X86, PER_START_X86 = 350, 25_000
#: Products of vectors in which as many bytes as a vector has numbers come from memory, and from
#: the caches between (one core of Zen 4: some 30 and 240 GB/s).
FROM_MEMORY, FROM_CACHE = 2, 0.25


def pays(shape: ConvShape, unit: VectorUnit, cache: int) -> bool:
    """Whether a 3x3 convolution with stride 1 is predicted to be faster this way.

    Parameters
    ----------
    shape : ConvShape
        Of the convolution.
    unit : VectorUnit
        Of the board. On ARM it is held against `direct_cycles`; on x86 against TVM's kernel,
        which keeps the units busy, where vectors multiply and add in one instruction.
    cache : int
        Bytes of the last cache of a board; on x86 none is counted on.
    """
    if unit.is_arm:
        sizes = unit.registers, unit.lanes, cache
        return winograd_cycles(shape, *sizes) < direct_cycles(shape, *sizes)
    if not unit.fma or 2 * min(shape.block, shape.in_block) < unit.lanes:
        return False
    taps = WINDOW**2 * shape.rows * shape.columns
    return _products_x86(shape, unit.lanes) < taps * _depth(shape)


def _products_x86(shape: ConvShape, lanes: int) -> float:
    """Products of vectors that take as long as a convolution this way."""
    places = product_shape(shape)
    patches = places.rows * places.columns
    products = PLACES * patches * _depth(shape)
    frame = patches * (shape.blocks + shape.in_blocks) * PER_PATCH_X86 + PER_START_X86
    # weights come from memory; patches and sums are written and read
    waits = PLACES * places.weight_bytes * FROM_MEMORY
    waits += 2 * PLACES * (places.input_bytes + _sum_bytes(places)) * FROM_CACHE
    return products + frame + waits / lanes


def _depth(shape: ConvShape) -> int:
    """Products of vectors for one pixel and one tap."""
    return shape.in_blocks * shape.in_block * shape.blocks


def product_shape(shape: ConvShape) -> ConvShape:
    """The products of one of the 36 places of a convolution, as one of single pixels."""
    high, wide = -(-shape.rows // RESULTS), -(-shape.columns // RESULTS)
    return ConvShape(shape.blocks, shape.block, high, wide, shape.in_blocks, shape.in_block)


def winograd_cycles(shape: ConvShape, registers: int, lanes: int, cache: int) -> float:
    """Cycles of a 3x3 convolution with stride 1 this way, to be held against `direct_cycles`."""
    places = product_shape(shape)
    tile = register_tile(places, registers, lanes)
    products = PLACES * instructions(places, tile, lanes)
    frame = shape.in_blocks * PER_PATCH + shape.blocks * PER_RESULT
    traffic = _traffic(places, cache, patch_blocks(places, tile.rows, cache))
    return products + places.rows * places.columns * frame + traffic / BYTES_PER_CYCLE


def patch_blocks(places: ConvShape, rows: int, cache: int) -> int:
    """In how many blocks of rows of patches memory is read least.

    Several blocks are of whole tiles: of one that overhangs, TVM cannot take the rows apart.

    Parameters
    ----------
    places : ConvShape
        Of `product_shape`.
    rows : int
        Of a register tile.
    cache : int
        Bytes of the last cache of a board.
    """
    blocks = [1, *(n for n in range(2, places.rows + 1) if places.rows % (n * rows) == 0)]
    return min(blocks, key=lambda n: (_traffic(places, cache, n), n))


def _traffic(places: ConvShape, cache: int, blocks: int) -> float:
    """Bytes from memory and back: weights once a block, and patches and sums that do not stay."""
    weights = PLACES * places.weight_bytes
    patches = PLACES * (places.input_bytes + _sum_bytes(places))
    stays = patches / blocks <= CACHE_PART * cache
    again = 1 if weights <= CACHE_PART * cache else blocks
    return weights * again + (0 if stays else 2 * patches)


def _sum_bytes(places: ConvShape) -> int:
    return 4 * places.rows * places.columns * places.blocks * places.block
