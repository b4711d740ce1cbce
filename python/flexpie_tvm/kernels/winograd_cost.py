# SPDX-License-Identifier: Apache-2.0
"""What Winograd's filtering costs, where it pays, and in how many blocks it is computed.

Without TVM; pure numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..machine import VectorUnit
from .register_tile import (
    BYTES_PER_CYCLE,
    CACHE_PART,
    ConvShape,
    direct_cycles,
    instructions,
    register_tile,
)

#: Rows and columns of the window.
WINDOW = 3
#: Instructions that transform a row or column of a patch, and its sums back, by the number of
#: results; and what each place of a patch takes besides, to be loaded and stored.
PIXELS, SUMS = {2: 4, 3: 9, 4: 13}, {2: 4, 3: 7, 4: 11}
PER_PIXEL_PLACE, PER_SUM_PLACE = 4.8, 4.2


@dataclass(frozen=True)
class Patch:
    """The rows and columns of results that are computed at once, 2 to 4 each."""

    rows: int
    columns: int

    @property
    def places(self) -> int:
        """Products of a patch, for each pair of channels."""
        return (self.rows + WINDOW - 1) * (self.columns + WINDOW - 1)

    @property
    def pixel_instructions(self) -> float:
        """Of the transform of a patch of one vector of channels."""
        down, over = self.rows + WINDOW - 1, self.columns + WINDOW - 1
        return (
            over * PIXELS[self.rows] + down * PIXELS[self.columns] + self.places * PER_PIXEL_PLACE
        )

    @property
    def sum_instructions(self) -> float:
        """Of the transform of one vector of channels back."""
        over = self.columns + WINDOW - 1
        axes = over * SUMS[self.rows] + self.rows * SUMS[self.columns]
        return axes + self.places * PER_SUM_PLACE

    def number(self, rows: int, columns: int) -> tuple[int, int]:
        """How many cover an image, down and across; the last ones may overhang."""
        return -(-rows // self.rows), -(-columns // self.columns)


#: The patch with the fewest products for a result, and all that are tried.
SQUARE = Patch(4, 4)
PATCHES = tuple(Patch(m, n) for m in (4, 3, 2) for n in (4, 3, 2))
#: How many times as fast as a direct convolution, which reads fewer bytes, it must be predicted to
#: be; and how many times as slow as the fastest patch one of fewer instructions may be: what memory
#: costs is not known so well.
GAIN, NEAR = 1.1, 1.2
#: The same on x86, in products of vectors that could be computed meanwhile; and starting it all.
PER_PATCH_X86, PER_START_X86 = 350, 25_000
#: Products of vectors in which as many bytes as a vector has numbers come from memory, and from
#: the caches between (one core of Zen 4: some 30 and 240 GB/s).
FROM_MEMORY, FROM_CACHE = 2, 0.25


def best_patch(shape: ConvShape, unit: VectorUnit, cache: int) -> Patch | None:
    """The patch by which a 3x3 convolution with stride 1 is predicted to be fastest.

    Parameters
    ----------
    shape : ConvShape
        Of the convolution.
    unit : VectorUnit
        Of the board. On ARM all patches are held against `direct_cycles`; on x86 the square one
        against TVM's kernel, which keeps the units busy, where vectors multiply and add in one
        instruction.
    cache : int
        Bytes of the last cache of a board; on x86 none is counted on.

    Returns
    -------
    patch : Patch or None
        None where a direct convolution is faster.
    """
    if unit.is_arm:
        return _best_on_arm(shape, unit.registers, unit.lanes, cache)
    if not unit.fma or 2 * min(shape.block, shape.in_block) < unit.lanes:
        return None
    taps = WINDOW**2 * shape.rows * shape.columns
    return SQUARE if _products_x86(shape, unit.lanes) < taps * _depth(shape) else None


def _best_on_arm(shape: ConvShape, registers: int, lanes: int, cache: int) -> Patch | None:
    """Of the patches that are about as fast as the fastest, the one of fewest instructions."""
    cycles = {patch: winograd_cycles(shape, patch, registers, lanes, cache) for patch in PATCHES}
    most = min(NEAR * min(cycles.values()), direct_cycles(shape, registers, lanes, cache) / GAIN)
    near = [patch for patch in PATCHES if cycles[patch] <= most]

    def work(patch: Patch) -> float:
        return _instructions(shape, patch, registers, lanes)

    return min(near, key=work, default=None)


def _products_x86(shape: ConvShape, lanes: int) -> float:
    """Products of vectors that take as long as a convolution this way, in square patches."""
    places = product_shape(shape, SQUARE)
    patches = places.rows * places.columns
    products = SQUARE.places * patches * _depth(shape)
    frame = patches * (shape.blocks + shape.in_blocks) * PER_PATCH_X86 + PER_START_X86
    # weights come from memory; patches and sums are written and read
    waits = SQUARE.places * places.weight_bytes * FROM_MEMORY
    waits += 2 * SQUARE.places * (places.input_bytes + _sum_bytes(places)) * FROM_CACHE
    return products + frame + waits / lanes


def _depth(shape: ConvShape) -> int:
    """Products of vectors for one pixel and one tap."""
    return shape.in_blocks * shape.in_block * shape.blocks


def product_shape(shape: ConvShape, patch: Patch) -> ConvShape:
    """The products of one of the places of a patch, as a convolution of single pixels."""
    high, wide = patch.number(shape.rows, shape.columns)
    return ConvShape(shape.blocks, shape.block, high, wide, shape.in_blocks, shape.in_block)


def winograd_cycles(
    shape: ConvShape, patch: Patch, registers: int, lanes: int, cache: int
) -> float:
    """Cycles of a 3x3 convolution with stride 1 this way, to be held against `direct_cycles`."""
    places = product_shape(shape, patch)
    tile = register_tile(places, registers, lanes)
    traffic = _traffic(places, patch, cache, patch_blocks(places, patch, tile.rows, cache))
    return _instructions(shape, patch, registers, lanes) + traffic / BYTES_PER_CYCLE


def _instructions(shape: ConvShape, patch: Patch, registers: int, lanes: int) -> float:
    """Of products and transforms."""
    places = product_shape(shape, patch)
    products = instructions(places, register_tile(places, registers, lanes), lanes)
    frame = shape.in_blocks * patch.pixel_instructions + shape.blocks * patch.sum_instructions
    return patch.places * products + places.rows * places.columns * frame


def patch_blocks(places: ConvShape, patch: Patch, rows: int, cache: int) -> int:
    """In how many blocks of rows of patches memory is read least.

    Several blocks are of whole tiles: of one that overhangs, TVM cannot take the rows apart.

    Parameters
    ----------
    places : ConvShape
        Of `product_shape`.
    patch : Patch
        Whose places these are.
    rows : int
        Of a register tile.
    cache : int
        Bytes of the last cache of a board.
    """
    blocks = [1, *(n for n in range(2, places.rows + 1) if places.rows % (n * rows) == 0)]
    return min(blocks, key=lambda n: (_traffic(places, patch, cache, n), n))


def _traffic(places: ConvShape, patch: Patch, cache: int, blocks: int) -> float:
    """Bytes from memory and back: weights once a block, and patches and sums that do not stay."""
    weights = patch.places * places.weight_bytes
    patches = patch.places * (places.input_bytes + _sum_bytes(places))
    stays = patches / blocks <= CACHE_PART * cache
    again = 1 if weights <= CACHE_PART * cache else blocks
    return weights * again + (0 if stays else 2 * patches)


def _sum_bytes(places: ConvShape) -> int:
    return 4 * places.rows * places.columns * places.blocks * places.block
