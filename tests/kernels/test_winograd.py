# SPDX-License-Identifier: Apache-2.0
"""Winograd's filtering against direct convolutions in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import te

from flexpie_tvm.kernels.register_tile import ConvShape, direct_cycles, register_tile
from flexpie_tvm.kernels.winograd import schedule_winograd, transform_weights, winograd_conv
from flexpie_tvm.kernels.winograd_cost import (
    PATCHES,
    SQUARE,
    Patch,
    best_patch,
    patch_blocks,
    product_shape,
    winograd_cycles,
)
from flexpie_tvm.kernels.winograd_transforms import WEIGHTS, pixel_transform, result_transform
from flexpie_tvm.machine import NEON as NEON_UNIT

from .blocked import ARM, NEON, blocked, compiled, convolved, fused, lane_products, packed, plain
from .blocked import result as computed


def _kernel(channels, size, padding, cache, target="llvm", patch=SQUARE):
    inputs, outputs = channels
    data = te.placeholder((1, inputs // 4, *size, 4), name="x")
    weight = te.placeholder(
        (patch.rows + 2, patch.columns + 2, outputs // 4, inputs // 4, 4, 4), name="u"
    )
    add = te.placeholder((1, outputs // 4, 1, 1, 4), name="b")
    out = fused(winograd_conv(data, weight, padding), add)
    schedule = schedule_winograd([out], *NEON[:2], cache)
    return compiled(schedule, [data, weight, add, out], target), out.shape


@given(
    channels=st.sampled_from([(4, 8), (16, 12), (8, 20)]),
    size=st.tuples(st.integers(3, 21), st.integers(3, 21)),
    padding=st.tuples(*[st.integers(0, 1)] * 4),
    cache=st.sampled_from([1 << 13, 1 << 20]),
    patch=st.sampled_from(PATCHES),
    seed=st.integers(0, 99),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_size_is_a_direct_convolution(channels, size, padding, cache, patch, seed):
    hold_to_a_direct_convolution(channels, size, padding, cache, seed, patch)


@pytest.mark.parametrize("patch", [Patch(2, 4), Patch(3, 2), Patch(4, 3), Patch(3, 3)])
def test_small_tiles_in_small_patches(patch):
    hold_to_a_direct_convolution((16, 16), (4, 14), (1, 1, 0, 1), NEON[2], 0, patch)


@pytest.mark.parametrize("results", sorted(WEIGHTS))
def test_transforms_of_one_axis_are_a_sum_of_three_products(results):
    rng = np.random.default_rng(results)
    pixels, weights = rng.standard_normal(results + 2), rng.standard_normal(3)
    products = np.array(pixel_transform(list(pixels))) * (WEIGHTS[results] @ weights)
    expected = np.correlate(pixels, weights, "valid")
    np.testing.assert_allclose(result_transform(list(products)), expected, atol=1e-12)


@pytest.mark.parametrize("width", [13, 14])
def test_several_blocks_of_rows_and_a_last_tile_that_overhangs(width):
    hold_to_a_direct_convolution((64, 64), (56, width), (1, 1, 1, 1), NEON[2], 0)


def hold_to_a_direct_convolution(channels, size, padding, cache, seed, patch=SQUARE):
    rng = np.random.default_rng(seed)
    inputs, outputs = channels
    image = rng.standard_normal((1, inputs, *size)).astype("float32")
    weights = rng.standard_normal((outputs, inputs, 3, 3)).astype("float32")
    bias = rng.standard_normal((1, outputs, 1, 1)).astype("float32")
    kernel, shape = _kernel(channels, size, padding, cache, patch=patch)
    transformed = transform_weights(packed(weights, 4, 4), patch)
    arrays = blocked(image, 4), transformed, blocked(bias, 4)
    expected = np.maximum(convolved(image, weights, (1, 1), padding) + bias, 0)
    got = plain(computed(kernel, arrays, shape))
    # rule 8 allows 1e-4 of the range for a whole network
    assert np.abs(got - expected).max() <= 1e-5 * np.ptp(expected)


def test_products_multiply_lane_by_lane_on_arm():
    kernel, _ = _kernel((32, 32), (14, 14), (1, 1, 1, 1), NEON[2], ARM)
    assert lane_products(kernel.get_source("asm")) >= 4 * 12


def _conv3x3(channels: int, size: int) -> ConvShape:
    return ConvShape(channels // 4, 4, size, size, channels // 4, 4, (3, 3))


@pytest.mark.parametrize(("channels", "size"), [(64, 56), (128, 28), (24, 80)])
def test_it_pays_where_images_are_large(channels, size):
    shape = _conv3x3(channels, size)
    assert winograd_cycles(shape, SQUARE, *NEON) < direct_cycles(shape, *NEON) / 1.5


@pytest.mark.parametrize(("channels", "size"), [(512, 7), (4, 8)])
def test_it_does_not_pay_where_weights_are_most_of_the_traffic_or_channels_are_few(channels, size):
    shape = _conv3x3(channels, size)
    assert winograd_cycles(shape, SQUARE, *NEON) > direct_cycles(shape, *NEON)


def _tile(channels: int, rows: int, columns: int) -> ConvShape:
    return ConvShape(channels // 4, 4, rows, columns, channels // 4, 4, (3, 3))


def test_patches_fit_the_tiles_of_boards():
    """Four rows of 14 take patches of two or three rows, not four: their weights are fewer."""
    assert best_patch(_tile(256, 14, 14), NEON_UNIT, NEON[2]) == SQUARE
    assert best_patch(_tile(256, 3, 14), NEON_UNIT, NEON[2]).rows == 3
    assert best_patch(_tile(256, 14, 3), NEON_UNIT, NEON[2]).columns == 3
    assert best_patch(_tile(256, 7, 7), NEON_UNIT, NEON[2]) == Patch(2, 2)
    assert best_patch(_tile(512, 2, 7), NEON_UNIT, NEON[2]) is None


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([1 << 18, 1 << 20]),
    st.sampled_from(PATCHES),
)
def test_blocks_of_patches_divide_their_rows(rows, columns, cache, patch):
    places = product_shape(ConvShape(16, 4, rows, columns, 16, 4, (3, 3)), patch)
    tile = register_tile(places, *NEON[:2])
    blocks = patch_blocks(places, patch, tile.rows, cache)
    assert blocks == 1 or places.rows % (blocks * tile.rows) == 0
