# SPDX-License-Identifier: Apache-2.0
"""What estimators see of kernels' steps is what the steps of single tiles are."""

from dataclasses import replace

import numpy as np
import pytest

from flexpie_tvm.cost.features import TILE_LAYOUT, tile_key, tile_rows
from flexpie_tvm.cost.step_features import STEP_COLUMNS
from flexpie_tvm.graph.steps import (
    column_block,
    convolution_step,
    equal_step,
    padded_columns,
    pointwise_step,
    register_tile,
)
from flexpie_tvm.machine import AVX2, AVX512, NEON

from .machine import window_tile


@pytest.mark.parametrize("unit", [AVX512, AVX2, NEON])
def test_many_tiles_at_once_are_as_one_by_one(unit):
    rng = np.random.default_rng(0)
    tiles = [
        window_tile("conv", int(rows), int(cols), 32, int(channels))
        for rows, cols, channels in rng.integers(1, (300, 300, 900), (200, 3))
    ]
    steps = TILE_LAYOUT.columns[-len(STEP_COLUMNS) :]
    assert steps == STEP_COLUMNS
    columns = tile_rows([tile_key(tile) for tile in tiles], unit).columns
    value = dict(zip(TILE_LAYOUT.columns, columns.T, strict=True))
    for k, tile in enumerate(tiles):
        rows, cols, channels = tile.out_hwc
        assert value["window_step"][k] == convolution_step(cols)
        assert (value["point_rows"][k], value["point_columns"][k]) == pointwise_step(rows, cols)
        block = column_block(padded_columns(channels, unit.lanes), unit.lanes)
        assert value["product_block"][k] == block
        tile = register_tile(rows, cols, unit)
        assert (value["tile_rows"][k], value["tile_vectors"][k]) == tile
        powers = (1, 2, 4, 8, 16, 32, 64)
        assert value["out_c_power"][k] == max(p for p in powers if channels % p == 0)


def test_steps_of_arrays_are_steps_of_their_elements():
    extents = np.arange(1, 500)
    for most in (1, 8, 31):
        assert equal_step(extents, most).tolist() == [equal_step(int(n), most) for n in extents]


def test_a_tile_without_elements_has_steps():
    nothing = replace(window_tile(), out_hwc=(0, 0, 0))
    assert np.isfinite(tile_rows([tile_key(nothing)], AVX2).columns).all()
