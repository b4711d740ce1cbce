# SPDX-License-Identifier: Apache-2.0
"""How a tile's extents fit the steps of its kernel, as columns of an estimator.

They do not grow with a tile: 37 columns may take longer than 38. So estimators are free to use
them either way; without them one that may never fall cannot see why some sizes are fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..graph.steps import (
    MOST_DEPTHWISE,
    MOST_ROWS,
    blocks_together,
    column_block,
    convolution_step,
    most_rows,
    padded_columns,
    pointwise_step,
)

#: Numbers in the widest vector.
LANES = 16
#: The largest power of two that channels are looked at for.
MOST_POWER = 64

STEP_COLUMNS = (
    "window_step", "window_last", "window_steps", "point_rows", "point_columns", "point_pixels",
    "depthwise_last", "vector_last", "pixels_last", "rows_step", "pixels_step", "out_c_last",
    "out_c_last_two", "in_w_last", "out_c_power", "product_block", "product_last",
    "product_blocks", "blocks_together",
)  # fmt: skip


def step_values(value: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The `STEP_COLUMNS` of tiles, from their extents and blocks."""
    rows, columns, channels = (
        np.maximum(value[f"out_{axis}"], 1).astype(int) for axis in ("h", "w", "c")
    )
    block = np.maximum(value["block_out"], 1).astype(int)
    pixels = rows * columns
    return (
        _windows(rows, columns)
        | _products(pixels, channels)
        | {
            "vector_last": columns * block % LANES,
            "pixels_last": pixels % LANES,
            "rows_step": equal_steps(rows, MOST_ROWS),
            "pixels_step": equal_steps(pixels, MOST_ROWS),
            "out_c_last": channels % LANES,
            "out_c_last_two": channels % (2 * LANES),
            "in_w_last": value["in_w"].astype(int) % LANES,
            "out_c_power": np.minimum(channels & -channels, MOST_POWER),
        }
    )


def equal_steps(extents: np.ndarray, most: int) -> np.ndarray:
    """`equal_step` of many extents."""
    return -(-extents // -(-extents // most))


def _windows(rows: np.ndarray, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Steps of convolutions: with windows, 1x1, and depthwise."""
    step = _each(convolution_step, columns)
    # what of a column decides is its divisors, and of a row those that fit beside them
    pairs, own = np.unique(rows * (columns.max(initial=1) + 1) + columns, return_inverse=True)
    height, width = np.divmod(pairs, columns.max(initial=1) + 1)
    points = np.array(
        [pointwise_step(h, w) for h, w in zip(height.tolist(), width.tolist(), strict=True)]
    ).reshape(-1, 2)[own]
    narrow = equal_steps(columns, MOST_DEPTHWISE)
    return {
        "window_step": step,
        "window_last": columns % step,
        "window_steps": -(-columns // step),
        "point_rows": points[:, 0],
        "point_columns": points[:, 1],
        "point_pixels": points.prod(axis=1),
        "depthwise_last": columns % narrow,
    }


def _products(rows: np.ndarray, columns: np.ndarray) -> dict[str, np.ndarray]:
    """Steps of matrix products."""
    padded = _each(lambda n: padded_columns(n, LANES), columns)
    block = _each(lambda n: column_block(n, LANES), padded)
    most = _each(lambda n: most_rows(n, LANES), block)
    step = equal_steps(rows, most)
    return {
        "product_block": block,
        "product_last": rows % step,
        "product_blocks": padded // block,
        "blocks_together": _each(blocks_together, padded // block),
    }


def _each(function: Callable[[int], int], numbers: np.ndarray) -> np.ndarray:
    """A function of each number, asked once for equal ones."""
    different = np.flatnonzero(np.bincount(numbers))  # faster than to sort them
    table = np.zeros(different.max(initial=0) + 1, dtype=int)
    table[different] = [function(n) for n in different.tolist()]
    return table[numbers]
