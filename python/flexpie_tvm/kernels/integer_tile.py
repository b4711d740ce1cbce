# SPDX-License-Identifier: Apache-2.0
"""How many sums a convolution of integers keeps in registers. Without TVM; pure numbers."""

from __future__ import annotations

from .products import Products
from .register_tile import ConvShape, RegisterTile, parts, tiles

#: Instructions of a vector of sums beside its products, of a tile and of a step.
PER_SUM, PER_TILE, PER_STEP = 8, 20, 3
#: Bytes of a vector from which single numbers multiply.
VECTOR = 16


def integer_tile(shape: ConvShape, products: Products, lanes: int, registers: int) -> RegisterTile:
    """The tile with the fewest instructions that fits the registers.

    Parameters
    ----------
    shape : ConvShape
        What is computed; channels that are multiplied together count as one.
    products : Products
        How numbers are multiplied.
    lanes : int
        Sums of one instruction.
    registers : int
        Vector registers of the target.
    """
    fitting = [tile for tile in tiles(shape) if _live(tile, shape, products, lanes) <= registers]
    return min(fitting, key=lambda tile: (_instructions(shape, tile, products, lanes), -tile.sums))


def _live(tile: RegisterTile, shape: ConvShape, products: Products, lanes: int) -> int:
    """Registers in use at once: sums, vectors of pixels, one or two vectors of weights."""
    own = tile.vectors * (shape.block // lanes)
    if products.is_pair:  # each pixel is spread over registers of its own
        each, others = products.beside
        return (own + each) * tile.rows * tile.columns + others
    if products.data == "uint8" or lanes > 4:  # pixels are read as they are multiplied
        return own * tile.rows * tile.columns + own + 1
    return own * tile.rows * tile.columns + _pixel_vectors(tile, shape, products) + min(own, 3)


def _pixel_vectors(tile: RegisterTile, shape: ConvShape, products: Products) -> int:
    """Vectors in which the pixels of one place of the window are, for all steps of a block."""
    size = {"int16": 2, "int8": 1, "uint8": 1}[products.data]
    pixel = size * products.together * shape.in_block
    if shape.strides[1] == 1:
        return tile.rows * -(-tile.columns * pixel // VECTOR)
    return tile.rows * -(-tile.columns * shape.strides[1] * pixel // VECTOR)


def _instructions(shape: ConvShape, tile: RegisterTile, products: Products, lanes: int) -> float:
    """Of a whole convolution."""
    total = 0.0
    for rows, high in parts(shape.rows, tile.rows):
        for columns, wide in parts(shape.columns, tile.columns):
            part = RegisterTile(tile.vectors, high, wide)
            total += rows * columns * _tile_instructions(part, shape, products, lanes)
    return total * shape.blocks / tile.vectors


def _tile_instructions(
    tile: RegisterTile, shape: ConvShape, products: Products, lanes: int
) -> float:
    high, wide = shape.window
    own = shape.block // lanes
    steps = shape.in_block * wide
    multiplied = tile.sums * own * steps * products.instructions
    pixels = _pixel_vectors(tile, shape, products) * (1 if shape.strides[1] == 1 else wide)
    if products.is_pair:
        pixels = tile.rows * tile.columns * steps
    elif lanes > 4:
        pixels = 0  # operands of the products
    weights = tile.vectors * own * steps / 2
    step = multiplied + pixels + weights + PER_STEP
    return step * high * shape.in_blocks + tile.sums * own * PER_SUM + PER_TILE
