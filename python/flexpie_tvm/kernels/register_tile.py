# SPDX-License-Identifier: Apache-2.0
"""How many results a convolution keeps in registers, and what it keeps in the cache.

A register tile is some vectors of output channels by some pixels. Each step multiplies the packed
weights of those channels by numbers of the pixels, so that a loaded vector serves several products.
Without TVM; pure numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

#: Pixels and vectors of channels that a tile may have at most.
MOST_PIXELS, MOST_VECTORS = 14, 4
#: Instructions of a result beside its products (first, bias, activation, storing), of a tile
#: and of a step of its innermost loop.
PER_SUM, PER_TILE, PER_STEP = 3.5, 20, 3
#: Blocks of input channels of which LLVM does not take the loop over them apart.
SHORT_LOOP = 16
#: The part of a cache that a block of the input may fill, beside weights and results.
CACHE_PART = 0.5
#: Vectors of more lanes are of 16 bits, and only half of the registers can multiply by one of their
#: lanes. LLVM copies and spills where a tile has more registers of pixels, or leaves fewer free.
FEW_LANES, MOST_LANE_REGISTERS, LEAST_FREE = 4, 11, 5
#: Bytes that a core gets from memory in a cycle, where four cores share some 6 GB/s at 1.5 GHz.
BYTES_PER_CYCLE = 1.0


@dataclass(frozen=True)
class ConvShape:
    """The extents of a convolution of one image in blocks of channels.

    Parameters
    ----------
    blocks, block : int
        Blocks of output channels, channels of one.
    rows, columns : int
        Of the result.
    in_blocks, in_block : int
        Blocks of input channels, channels of one.
    window : tuple of int
        Rows and columns of the filters.
    strides : tuple of int
        Steps of the window in rows and columns.
    itemsize : int
        Bytes of a number.
    """

    blocks: int
    block: int
    rows: int
    columns: int
    in_blocks: int
    in_block: int
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    itemsize: int = 4

    @property
    def weight_bytes(self) -> int:
        """Of all filters."""
        taps = self.window[0] * self.window[1]
        filters = self.blocks * self.block
        return self.itemsize * filters * self.in_blocks * self.in_block * taps

    @property
    def input_bytes(self) -> int:
        """Of the rows and columns that all windows read."""
        rows, columns = (
            (n - 1) * s + w
            for n, s, w in zip((self.rows, self.columns), self.strides, self.window, strict=True)
        )
        return self.itemsize * rows * columns * self.in_blocks * self.in_block


@dataclass(frozen=True)
class RegisterTile:
    """Vectors of output channels, and rows and columns of pixels, whose sums are in registers."""

    vectors: int
    rows: int
    columns: int

    @property
    def sums(self) -> int:
        """Accumulators, each a vector."""
        return self.vectors * self.rows * self.columns


def register_tile(shape: ConvShape, registers: int, lanes: int) -> RegisterTile:
    """The tile of a direct convolution with the fewest instructions that fits the registers.

    Parameters
    ----------
    shape : ConvShape
        What is computed. A tile's channels and rows divide it; columns need not, the last tile is
        smaller.
    registers : int
        Vector registers of the target.
    lanes : int
        Neighbours that one load brings (`VectorUnit.read_lanes`), where blocks of input channels
        are whole numbers of them.
    """
    return register_tiles(shape, registers, lanes)[0]


def register_tiles(shape: ConvShape, registers: int, lanes: int) -> list[RegisterTile]:
    """All tiles that fit the registers, as of `register_tile`; the fewest instructions first."""
    narrow = lanes > FEW_LANES
    live, pixels = (registers - LEAST_FREE, MOST_LANE_REGISTERS) if narrow else (registers,) * 2
    fitting = (
        tile
        for tile in tiles(shape)
        if _live(tile, shape) <= live and _pixels(tile, shape) <= pixels
    )
    return sorted(fitting, key=lambda tile: (instructions(shape, tile, lanes), -tile.sums))


def cache_blocks(shape: ConvShape, tile: RegisterTile, cache: int) -> int:
    """In how many blocks of rows a convolution is best computed, so that memory is read least.

    All filters are applied to a block before the next one. More blocks let the input of each stay
    in the cache; filters that do not fit the cache are then read once for each block.

    Parameters
    ----------
    cache : int
        Bytes of the last cache of a board.
    """
    blocks = _divisors(shape.rows // tile.rows)
    return min(blocks, key=lambda n: (_traffic(shape, tile, cache, n), n))


def direct_cycles(shape: ConvShape, registers: int, lanes: int, cache: int) -> float:
    """Cycles of a direct convolution: an instruction each, and what memory makes it wait."""
    tile = register_tile(shape, registers, lanes)
    traffic = _traffic(shape, tile, cache, cache_blocks(shape, tile, cache))
    return instructions(shape, tile, lanes) + traffic / BYTES_PER_CYCLE


def _traffic(shape: ConvShape, tile: RegisterTile, cache: int, blocks: int) -> float:
    """Bytes that a convolution in blocks of rows reads from memory."""
    own_weights = shape.weight_bytes * tile.vectors / shape.blocks
    turns = -(-shape.blocks // tile.vectors)
    if shape.weight_bytes <= CACHE_PART * cache:
        stays = shape.input_bytes / blocks <= CACHE_PART * cache
        return shape.weight_bytes + shape.input_bytes * (1 if stays else turns)
    stays = shape.input_bytes / blocks + own_weights <= (1 - CACHE_PART / 2) * cache
    return shape.weight_bytes * blocks + shape.input_bytes * (1 if stays else turns)


def tiles(shape: ConvShape) -> Iterator[RegisterTile]:
    """Tiles whose channels and rows divide those of a convolution."""
    vectors = [n for n in range(1, MOST_VECTORS + 1) if shape.blocks % n == 0]
    rows = [n for n in _divisors(shape.rows) if n <= MOST_PIXELS]
    columns = range(1, min(shape.columns, MOST_PIXELS) + 1)
    for deep, high, wide in product(vectors, rows, columns):
        if high * wide <= MOST_PIXELS:
            yield RegisterTile(deep, high, wide)


def _live(tile: RegisterTile, shape: ConvShape) -> int:
    """Registers in use at once: sums, pixels, and a vector of weights for each of channels.

    Short loops need one more, because LLVM takes them apart.
    """
    short = shape.in_blocks < SHORT_LOOP
    return tile.sums + tile.vectors + _pixels(tile, shape) + short


def _pixels(tile: RegisterTile, shape: ConvShape) -> int:
    """Registers of pixels.

    They are kept for the next column of the window; with strides other pixels lie between them.
    """
    reach = 0
    if shape.window[1] > 1:
        reach = min(shape.window[1] - 1, 2) if shape.strides[1] == 1 else tile.columns
    return tile.rows * (tile.columns + reach)


def instructions(shape: ConvShape, tile: RegisterTile, lanes: int) -> float:
    """Of a whole direct convolution: products, loads (two vectors each), and what frames them."""
    total = 0.0
    for rows, high in parts(shape.rows, tile.rows):
        for columns, wide in parts(shape.columns, tile.columns):
            part = RegisterTile(tile.vectors, high, wide)
            total += rows * columns * _tile_instructions(part, shape, lanes)
    return total * shape.blocks / tile.vectors


def _tile_instructions(tile: RegisterTile, shape: ConvShape, lanes: int) -> float:
    high, wide = shape.window
    products = tile.sums * shape.in_block * wide
    pixels = tile.rows * ((tile.columns - 1) * shape.strides[1] + wide)
    if shape.strides[1] > wide:
        pixels = tile.rows * tile.columns
    joined = shape.in_block % lanes == 0
    reads = pixels * shape.in_block / (2 * lanes) if joined else pixels * shape.in_block
    weights = tile.vectors * shape.in_block * wide / 2
    step = products + reads + weights + PER_STEP
    return step * high * shape.in_blocks + tile.sums * PER_SUM + PER_TILE


def parts(extent: int, step: int) -> Iterator[tuple[int, int]]:
    """How many tiles of which extent make up an axis."""
    if extent >= step:
        yield extent // step, step
    if extent % step:
        yield 1, extent % step


def _divisors(extent: int) -> list[int]:
    return [n for n in range(1, extent + 1) if extent % n == 0]
