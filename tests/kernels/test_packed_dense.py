# SPDX-License-Identifier: Apache-2.0
"""Products with packed weights in register tiles, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import te

from flexpie_tvm.kernels.packed_dense import (
    block_of_columns,
    dense_tile,
    packed_dense,
    schedule_packed_dense,
)

from .blocked import ARM, NEON, compiled, fused, lane_products, result, spread_numbers


def _kernel(rows, columns, depth, block, cache=NEON[2], target="llvm"):
    data = te.placeholder((rows, depth), name="x")
    weight = te.placeholder((columns // block, depth, block), name="w")
    bias = te.placeholder((columns,), name="b")
    out = fused(packed_dense(data, weight), bias)
    schedule = schedule_packed_dense([out], *NEON[:2], cache)
    return compiled(schedule, [data, weight, bias, out], target)


@given(
    rows=st.integers(1, 40), blocks=st.integers(1, 12), depth=st.integers(1, 40),
    block=st.sampled_from([4, 8, 12, 16]), cache=st.sampled_from([1 << 10, 1 << 20]),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_product_of_any_size_is_numpys(rows, blocks, depth, block, cache, seed):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((rows, depth)).astype("float32")
    weights = rng.standard_normal((blocks * block, depth)).astype("float32")
    bias = rng.standard_normal(blocks * block).astype("float32")
    packed = np.ascontiguousarray(weights.reshape(blocks, block, depth).transpose(0, 2, 1))
    kernel = _kernel(rows, blocks * block, depth, block, cache)
    got = result(kernel, (data, packed, bias), (rows, blocks * block))
    expected = np.maximum(data.astype("float64") @ weights.T + bias, 0)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize(("rows", "columns", "depth"), [(128, 768, 768), (7, 96, 64)])
def test_rows_multiply_lane_by_lane_on_arm(rows, columns, depth):
    block = block_of_columns(rows, columns, *NEON[:2])
    padded = -(-columns // block) * block
    assembly = _kernel(rows, padded, depth, block, target=ARM).get_source("asm")
    assert lane_products(assembly) >= 64
    assert spread_numbers(assembly) == 0


@given(st.integers(1, 200), st.integers(1, 4000))
def test_tiles_fit_the_registers(rows, columns):
    block = block_of_columns(rows, columns, 32, 4)
    padded = -(-columns // block) * block
    tile = dense_tile(rows, padded, block, 32, 4)
    vectors = tile.blocks * tile.block // 4
    assert padded // block % tile.blocks == 0
    assert tile.rows <= rows
    assert tile.rows * vectors + tile.rows <= 32
    assert padded < columns + block
