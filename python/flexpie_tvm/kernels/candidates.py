# SPDX-License-Identifier: Apache-2.0
"""Which tiles of a kernel are worth a measurement, the predicted one first.

Predictions count instructions. What they do not see (how a core issues them, what the compiler
spills, caches of another size) decides among tiles that are nearly as good. Pure numbers.
"""

from __future__ import annotations

from .packed_dense import dense_tiles
from .register_tile import ConvShape, cache_blocks, register_tiles

#: Tiles of a kernel that are candidates, and numbers of cache blocks of its first tile.
MOST_TILES, MOST_BLOCKS = 8, 4


def conv_candidates(
    shape: ConvShape, registers: int, lanes: int, cache: int
) -> list[tuple[int, int, int, int]]:
    """Vectors, rows and columns of tiles of a direct convolution, and its cache blocks.

    Parameters
    ----------
    shape : ConvShape
        What is computed.
    registers, lanes : int
        Vector registers of the target, numbers of one.
    cache : int
        Bytes of the last cache of a board.
    """
    tiles = register_tiles(shape, registers, lanes)[:MOST_TILES]
    found = [(t.vectors, t.rows, t.columns, cache_blocks(shape, t, cache)) for t in tiles]
    vectors, rows, columns, predicted = found[0]
    strips = shape.rows // rows
    others = [n for n in (1, 2, 4, 8, 16) if n <= strips and n != predicted]
    near = sorted(others, key=lambda n: max(n / predicted, predicted / n))[: MOST_BLOCKS - 1]
    # the second best tile is more often the fastest than the best one in other blocks
    blocks = [(vectors, rows, columns, n) for n in near]
    return [*found[:4], *blocks, *found[4:]]


def dense_candidates(
    rows: int, columns: int, block: int, registers: int, lanes: int
) -> list[tuple[int, int, int]]:
    """Rows, blocks of columns and columns of a block of tiles, as `packed_dense.dense_tile`."""
    tiles = dense_tiles(rows, columns, block, registers, lanes)
    return [(tile.rows, tile.blocks, tile.block) for tile in tiles[:MOST_TILES]]
