# SPDX-License-Identifier: Apache-2.0
"""Kernels of float16: eight lanes, long sums as short ones; against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import te

from flexpie_tvm.kernels.blocked_conv import blocked_conv, schedule_blocked_conv
from flexpie_tvm.kernels.blocked_depthwise import blocked_depthwise, schedule_blocked_depthwise
from flexpie_tvm.kernels.packed_dense import (
    block_of_columns,
    dense_tile,
    packed_dense,
    schedule_packed_dense,
)
from flexpie_tvm.kernels.register_tile import ConvShape, register_tile
from flexpie_tvm.kernels.short_sums import LEAST_TERMS, MOST_TERMS, short_step

from .blocked import (
    blocked,
    compiled,
    convolved,
    fused,
    lane_products,
    packed,
    plain,
    result,
    spread_numbers,
)

HALF, LANES, REGISTERS, CACHE = "float16", 8, 32, 1 << 19
ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a76"
#: With conversions of float16 in hardware: kernels of ours are not for it, but it runs here.
HERE = "llvm -mcpu=x86-64-v3"
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _random(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * rng.standard_normal(shape)).astype(HALF)


def _placeholders(arrays) -> list[te.Tensor]:
    return [te.placeholder(v.shape, HALF, f"p{k}") for k, v in enumerate(arrays)]


def _conv(arrays, strides, padding):
    data, kernel, bias = _placeholders(arrays)
    out = fused(blocked_conv(data, kernel, strides, padding, (1, 1), HALF), bias)
    return schedule_blocked_conv([out], REGISTERS, LANES, CACHE), [data, kernel, bias, out]


def _dense(arrays):
    data, weight, bias = _placeholders(arrays)
    out = fused(packed_dense(data, weight, HALF), bias)
    return schedule_packed_dense([out], REGISTERS, LANES, CACHE), [data, weight, bias, out]


def _error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got.astype("float64") - expected).max() / np.ptp(expected))


@given(
    channels=st.sampled_from([(8, 16), (32, 24), (24, 8), (3, 8), (12, 4), (64, 16)]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 21)),
    window=st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 1)]),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    seed=st.integers(0, 99),
)
@FEW
def test_a_convolution_of_any_size_is_numpys(channels, size, window, strides, seed):
    size = [max(n, w) for n, w in zip(size, window, strict=True)]
    rng, padding = np.random.default_rng(seed), (1, 0, 1, 2)
    image, bias = _random(rng, 1, channels[0], *size), _random(rng, 1, channels[1], 1, 1)
    weights = _random(rng, channels[1], channels[0], *window, scale=0.2)
    blocks = [max(n for n in (3, 4, 8) if c % n == 0) for c in channels]
    arrays = blocked(image, blocks[0]), packed(weights, *blocks), blocked(bias, blocks[1])
    schedule, tensors = _conv(arrays, strides, padding)
    got = plain(result(compiled(schedule, tensors, HERE), arrays, tensors[-1].shape, HALF))
    wide = convolved(image, weights.astype("float64"), strides, padding)
    assert _error(got, np.maximum(wide + bias, 0)) < 8e-3


@given(
    channels=st.sampled_from([8, 24, 12]), size=st.tuples(st.integers(3, 9), st.integers(3, 21)),
    window=st.sampled_from([(3, 3), (1, 3), (3, 2)]), stride=st.integers(1, 2),
    seed=st.integers(0, 99),
)  # fmt: skip
@FEW
def test_a_depthwise_convolution_of_any_size_is_numpys(channels, size, window, stride, seed):
    rng, padding, block = np.random.default_rng(seed), (1, 1, 0, 1), 8 if channels % 8 == 0 else 4
    image, weights = _random(rng, 1, channels, *size), _random(rng, channels, 1, *window)
    arrays = blocked(image, block), packed(weights, 1, block)
    data, kernel = _placeholders(arrays)
    out = blocked_depthwise(data, kernel, (stride, stride), padding, (1, 1), HALF)
    schedule = schedule_blocked_depthwise([out], REGISTERS)
    got = plain(result(compiled(schedule, [data, kernel, out], HERE), arrays, out.shape, HALF))
    wide = convolved(image, weights.astype("float64"), (stride, stride), padding, depthwise=True)
    assert _error(got, wide) < 8e-3


@pytest.mark.parametrize(
    ("rows", "columns", "depth"), [(1, 24, 40), (7, 48, 500), (13, 16, 768), (3, 8, 193)]
)
def test_a_product_of_any_size_is_numpys(rows, columns, depth):
    rng, block = np.random.default_rng(depth), 8
    data, bias = _random(rng, rows, depth), _random(rng, columns)
    weights = _random(rng, columns, depth, scale=depth**-0.5)
    split = weights.reshape(columns // block, block, depth).transpose(0, 2, 1)
    arrays = data, np.ascontiguousarray(split), bias
    schedule, tensors = _dense(arrays)
    got = result(compiled(schedule, tensors, HERE), arrays, (rows, columns), HALF)
    exact = data.astype("float64") @ weights.T.astype("float64")
    assert _error(got, np.maximum(exact + bias, 0)) < 8e-3


def test_a_long_sum_is_more_exact_than_its_terms_added_in_turn():
    """Of positive numbers, as behind rectifiers: the sum grows, and so does what it rounds to."""
    rng, depth = np.random.default_rng(5), 2304
    image = np.abs(_random(rng, 1, depth, 1, 8, scale=0.1))
    weights = np.abs(_random(rng, 8, depth, 1, 1, scale=0.1))
    zero = np.zeros((1, 8, 1, 1), HALF)
    arrays = blocked(image, 8), packed(weights, 8, 8), blocked(zero, 8)
    schedule, tensors = _conv(arrays, (1, 1), (0, 0, 0, 0))
    got = plain(result(compiled(schedule, tensors, HERE), arrays, tensors[-1].shape, HALF))
    exact = convolved(image, weights.astype("float64"), (1, 1), (0, 0, 0, 0))
    in_turn = np.zeros((8, 8), HALF)
    for k in range(depth):
        in_turn = in_turn + np.outer(weights[:, k, 0, 0], image[0, k, 0])
    assert 4 * np.abs(got - exact).max() < np.abs(in_turn - exact[0, :, 0]).max()


@given(st.integers(1, 4000), st.integers(1, 400))
def test_short_sums_divide_long_ones_and_are_neither_too_long_nor_too_short(extent, terms):
    assert short_step(extent, terms, "float32") == extent
    step = short_step(extent, terms, HALF)
    assert extent % step == 0
    if step < extent:
        assert LEAST_TERMS <= step * terms <= max(MOST_TERMS[HALF], terms)


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "window"),
    [(64, 64, (14, 28), 1), (64, 64, (14, 37), 3), (32, 64, (13, 13), 3)],
)
def test_pixels_multiply_eight_channels_lane_by_lane_on_arm(inputs, outputs, size, window):
    rng = np.random.default_rng(0)
    weights = _random(rng, outputs, inputs, window, window)
    arrays = (
        blocked(_random(rng, 1, inputs, *size), 8), packed(weights, 8, 8),
        blocked(_random(rng, 1, outputs, 1, 1), 8),
    )  # fmt: skip
    schedule, tensors = _conv(arrays, (1, 1), (window // 2,) * 4)
    assembly = compiled(schedule, tensors, ARM).get_source("asm")
    assert lane_products(assembly, "8h") >= 8 * 8 * window
    assert lane_products(assembly) == spread_numbers(assembly) == 0


def test_rows_multiply_lane_by_lane_on_arm():
    block = block_of_columns(64, 96, REGISTERS, LANES)
    rng = np.random.default_rng(0)
    arrays = _random(rng, 64, 64), _random(rng, 96 // block, 64, block), _random(rng, 96)
    schedule, tensors = _dense(arrays)
    assembly = compiled(schedule, tensors, ARM).get_source("asm")
    assert lane_products(assembly, "8h") >= 64
    assert spread_numbers(assembly) == 0


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1)])
def test_pixels_stay_in_the_registers_that_can_multiply_by_a_lane(window, stride):
    """Which are sixteen for numbers of 16 bits."""
    shape = ConvShape(8, 8, 28, 28, 8, 8, (window, window), (stride, stride), 2)
    tile = register_tile(shape, REGISTERS, LANES)
    assert tile.rows * tile.columns < 12
    assert tile.sums >= 8
    assert dense_tile(128, 768, 24, REGISTERS, LANES).rows < 12
