# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions and depthwise ones in register tiles, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import te

from flexpie_tvm.kernels.blocked_conv import blocked_conv, schedule_blocked_conv
from flexpie_tvm.kernels.blocked_depthwise import blocked_depthwise, schedule_blocked_depthwise
from flexpie_tvm.kernels.register_tile import (
    ConvShape,
    cache_blocks,
    register_tile,
)

from .blocked import (
    ARM,
    NEON,
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

COMPILED = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _conv(image, weights, bias, strides, padding, dilation, cache=NEON[2]):
    """Schedule and tensors of a convolution of blocks, its inputs, and the shape of its result."""
    in_block, block = image.shape[4], weights.shape[5]
    data, kernel, add = (te.placeholder(v.shape, name=f"p{k}") for k, v in
                         enumerate((image, weights, bias)))  # fmt: skip
    out = fused(blocked_conv(data, kernel, strides, padding, dilation), add)
    schedule = schedule_blocked_conv([out], NEON[0], NEON[1], cache)
    assert (in_block, block) == (int(data.shape[4]), int(out.shape[4]))
    return schedule, [data, kernel, add, out]


@given(
    channels=st.sampled_from([(4, 8), (16, 12), (12, 20), (3, 8), (6, 6), (5, 7), (8, 4)]),
    size=st.tuples(st.integers(1, 19), st.integers(1, 33)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    dilation=st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]),
    cache=st.sampled_from([1 << 9, 1 << 14, 1 << 20]),
    seed=st.integers(0, 99),
)
@COMPILED
def test_a_convolution_of_any_size_is_numpys(
    channels, size, window, strides, padding, dilation, cache, seed
):
    spans = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    size = [max(n, span) for n, span in zip(size, spans, strict=True)]
    rng = np.random.default_rng(seed)
    inputs, outputs = channels
    image = rng.standard_normal((1, inputs, *size)).astype("float32")
    weights = rng.standard_normal((outputs, inputs, *window)).astype("float32")
    bias = rng.standard_normal((1, outputs, 1, 1)).astype("float32")
    expected = np.maximum(convolved(image, weights, strides, padding, dilation) + bias, 0)
    blocks = [max(n for n in (1, 2, 3, 4) if c % n == 0) for c in channels]
    arrays = blocked(image, blocks[0]), packed(weights, *blocks), blocked(bias, blocks[1])
    schedule, tensors = _conv(*arrays, strides, padding, dilation, cache)
    got = plain(result(compiled(schedule, tensors), arrays, tensors[-1].shape))
    np.testing.assert_allclose(got, expected, atol=2e-5 * max(1.0, np.abs(expected).max()))


@given(
    channels=st.sampled_from([4, 12, 6, 5]),
    size=st.tuples(st.integers(1, 19), st.integers(1, 33)),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    seed=st.integers(0, 99),
)
@COMPILED
def test_a_depthwise_convolution_of_any_size_is_numpys(
    channels, size, window, strides, padding, seed
):
    size = [max(n, w) for n, w in zip(size, window, strict=True)]
    rng = np.random.default_rng(seed)
    block = max(n for n in (1, 2, 3, 4) if channels % n == 0)
    image = rng.standard_normal((1, channels, *size)).astype("float32")
    weights = rng.standard_normal((channels, 1, *window)).astype("float32")
    bias = rng.standard_normal((1, channels, 1, 1)).astype("float32")
    expected = convolved(image, weights, strides, padding, depthwise=True) + bias
    arrays = blocked(image, block), packed(weights, 1, block), blocked(bias, block)
    data, kernel, add = (te.placeholder(v.shape, name=f"p{k}") for k, v in enumerate(arrays))
    out = fused(blocked_depthwise(data, kernel, strides, padding, (1, 1)), add)
    kernel = compiled(schedule_blocked_depthwise([out], NEON[0]), [data, kernel, add, out])
    got = plain(result(kernel, arrays, out.shape))
    np.testing.assert_allclose(got, np.maximum(expected, 0), atol=1e-4)


def test_a_convolution_alone_has_its_sums_in_registers_too():
    rng = np.random.default_rng(1)
    image = rng.standard_normal((1, 8, 9, 11)).astype("float32")
    weights = rng.standard_normal((8, 8, 3, 3)).astype("float32")
    arrays = blocked(image, 4), packed(weights, 4, 4)
    data, kernel = (te.placeholder(v.shape, name=f"p{k}") for k, v in enumerate(arrays))
    out = blocked_conv(data, kernel, (1, 1), (1, 1, 1, 1), (1, 1))
    schedule = schedule_blocked_conv([out], *NEON)
    got = plain(result(compiled(schedule, [data, kernel, out]), arrays, out.shape))
    np.testing.assert_allclose(got, convolved(image, weights, (1, 1), (1, 1, 1, 1)), atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "window", "strides"),
    [(64, 64, (28, 28), 1, 1), (64, 64, (14, 37), 3, 1), (32, 64, (13, 13), 3, 2)],
)
def test_pixels_multiply_lane_by_lane_on_arm(inputs, outputs, size, window, strides):
    image = np.zeros((1, inputs // 4, *size, 4), "float32")
    weights = np.zeros((outputs // 4, inputs // 4, window, window, 4, 4), "float32")
    bias = np.zeros((1, outputs // 4, 1, 1, 4), "float32")
    pad = (window // 2,) * 4
    schedule, tensors = _conv(image, weights, bias, (strides, strides), pad, (1, 1))
    assembly = compiled(schedule, tensors, ARM).get_source("asm")
    assert lane_products(assembly) >= 4 * 12 * window
    assert spread_numbers(assembly) == 0


EXTENT = st.integers(1, 120)


@given(
    blocks=st.integers(1, 64), rows=EXTENT, columns=EXTENT, in_blocks=st.integers(1, 64),
    window=st.integers(1, 5), stride=st.integers(1, 2), cache=st.sampled_from([1 << 18, 1 << 20]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_tiles_fit_the_registers_and_divide_what_must_be_divided(
    blocks, rows, columns, in_blocks, window, stride, cache
):
    shape = ConvShape(blocks, 4, rows, columns, in_blocks, 4, (window, window), (stride, stride))
    tile = register_tile(shape, 32, 4)
    assert blocks % tile.vectors == 0
    assert rows % tile.rows == 0
    assert tile.columns <= columns
    assert tile.sums + tile.vectors + tile.rows * tile.columns <= 32
    assert rows // tile.rows % cache_blocks(shape, tile, cache) == 0


@pytest.mark.parametrize("columns", [7, 13, 14, 28, 37, 56])
def test_a_tile_has_enough_sums_to_hide_a_products_latency(columns):
    tile = register_tile(ConvShape(16, 4, columns, columns, 16, 4, (3, 3)), 32, 4)
    assert tile.sums >= 12
