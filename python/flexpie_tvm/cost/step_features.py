# SPDX-License-Identifier: Apache-2.0
"""How a tile's extents fit the steps of its kernel, as columns of an estimator.

They do not grow with a tile: 37 columns may take longer than 38. So estimators are free to use
them either way; without them one that may never fall cannot see why some sizes are fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from ..graph.arithmetic import largest_divisor
from ..graph.steps import (
    BATCH_VECTORS,
    FEW,
    MOST,
    MOST_DEPTHWISE,
    MOST_ROWS,
    blocks_together,
    column_block,
    convolution_step,
    equal_step,
    most_rows,
    padded_columns,
    sums_and_rows,
)
from ..machine import VectorUnit

#: Longer extents fit any step well.
MOST_EXTENT = 1 << 16
#: The largest power of two that channels are looked at for.
MOST_POWER = 64

STEP_COLUMNS = (
    "window_step", "window_last", "window_steps", "point_rows", "point_columns", "point_pixels",
    "depthwise_step", "depthwise_last", "depthwise_steps", "vector_last", "pixels_last",
    "rows_step", "pixels_step", "out_c_last", "out_c_last_two", "in_w_last", "out_c_power",
    "product_block", "product_last", "product_blocks", "blocks_together", "tile_rows",
    "tile_vectors", "tile_row_steps", "tile_rows_last", "tile_columns_last",
)  # fmt: skip


def step_values(value: Mapping[str, np.ndarray], unit: VectorUnit) -> dict[str, np.ndarray]:
    """The `STEP_COLUMNS` of tiles on a vector unit, from their extents and blocks."""
    lanes = unit.lanes
    rows, columns, channels = (
        np.clip(value[f"out_{axis}"], 1, MOST_EXTENT).astype(int) for axis in ("h", "w", "c")
    )
    block = np.maximum(value["block_out"], 1).astype(int)
    pixels = rows * columns
    return (
        _windows(rows, columns)
        | _products(pixels, channels, unit)
        | _register_tiles(*_tiled(value, rows, columns), unit)
        | {
            "rows_step": equal_step(rows, MOST_ROWS),
            "vector_last": columns * block % lanes,
            "pixels_last": pixels % lanes,
            "pixels_step": equal_step(pixels, MOST_ROWS),
            "out_c_last": channels % lanes,
            "out_c_last_two": channels % (2 * lanes),
            "in_w_last": value["in_w"].astype(int) % lanes,
            "out_c_power": np.minimum(channels & -channels, MOST_POWER),
        }
    )


def _windows(rows: np.ndarray, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Steps of convolutions: with windows, 1x1, and depthwise."""
    step = _each(_window_step, columns)
    high, wide = _pointwise_steps(rows, columns)
    narrow = equal_step(columns, MOST_DEPTHWISE)
    return {
        "window_step": step,
        "window_last": columns % step,
        "window_steps": -(-columns // step),
        "point_rows": high,
        "point_columns": wide,
        "point_pixels": high * wide,
        "depthwise_step": narrow,
        "depthwise_last": columns % narrow,
        "depthwise_steps": -(-columns // narrow),
    }


def _products(rows: np.ndarray, columns: np.ndarray, unit: VectorUnit) -> dict[str, np.ndarray]:
    """Steps of matrix products."""
    padded = _each(lambda n: padded_columns(n, unit.lanes), columns)
    block = _each(lambda n: column_block(n, unit.lanes), padded)
    most = _each(lambda n: most_rows(n, unit), block)
    step = equal_step(rows, most)
    return {
        "product_block": block,
        "product_last": rows % step,
        "product_blocks": padded // block,
        "blocks_together": _each(blocks_together, padded // block),
    }


def _tiled(
    value: Mapping[str, np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What goes over the registers: filters and pixels of a group, else rows and columns."""
    filters = value["group_out"].astype(int)
    return np.where(filters > 0, filters, rows), np.where(filters > 0, rows * columns, columns)


def _pointwise_steps(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`pointwise_step` of many tiles."""
    wide = _each(_pointwise_columns, columns)
    high = _each(_pointwise_rows, rows * (MOST + 1) + MOST // wide)
    poor = (wide * high < FEW) & (columns > FEW)
    return np.where(poor, 1, high), np.where(poor, equal_step(columns, MOST), wide)


def _register_tiles(
    rows: np.ndarray, columns: np.ndarray, unit: VectorUnit
) -> dict[str, np.ndarray]:
    """Steps of batches of products and of grouped convolutions: `register_tile` of many."""
    sums, most_high = sums_and_rows(unit)
    high = equal_step(rows, most_high)
    most = np.minimum(BATCH_VECTORS, sums // high)
    wide = equal_step(-(-columns // unit.lanes), most)
    return {
        "tile_rows": high,
        "tile_vectors": wide,
        "tile_row_steps": -(-rows // high),
        "tile_rows_last": rows % high,
        "tile_columns_last": columns % (wide * unit.lanes),
    }


def _each(function: Callable[[int], int], numbers: np.ndarray) -> np.ndarray:
    """A function of each number, asked once for equal ones."""
    different = np.flatnonzero(np.bincount(numbers))  # faster than to sort them
    table = np.zeros(different.max(initial=0) + 1, dtype=int)
    table[different] = [function(n) for n in different.tolist()]
    return table[numbers]


# Extents are few and come again in every call.


@lru_cache(MOST_EXTENT)
def _window_step(columns: int) -> int:
    return convolution_step(columns)


@lru_cache(MOST_EXTENT)
def _pointwise_columns(columns: int) -> int:
    return largest_divisor(columns, MOST)


@lru_cache(MOST_EXTENT)
def _pointwise_rows(pair: int) -> int:
    """The rows of a step, of rows and how many of their kind fit, as one number."""
    return largest_divisor(*divmod(pair, MOST + 1))
