# SPDX-License-Identifier: Apache-2.0
"""Pixels that become blocks of pixels: every element where it belongs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay, te, topi

from flexpie_tvm.kernels.pixel_blocks import MOST_STEPS, rows_together
from flexpie_tvm.machine.vector_unit import STEP

from .moving import ARM, X86, assert_moved, computed, random, written_lanes

MOST_TOGETHER = MOST_STEPS * STEP
SHAPES = [(1, 6, 5, 7), (1, 1, 1, 1), (2, 4, 1, 13), (1, 3, 9, 1), (1, 5, 4, 40), (1, 16, 13, 3)]


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, MOST_TOGETHER), st.integers(1, 4))
def test_rows_together_divide_an_image_or_channels(channels, blocks, columns, block):
    rows = blocks * block
    together = rows_together((channels, rows, columns), block, STEP)
    assert rows % together == 0 or (together % rows == 0 and channels % (together // rows) == 0)
    assert together * columns <= MOST_TOGETHER
    assert together == 1 or together % block == 0


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_resized_by_a_factor(shape, factor, target):
    value = random(shape)
    x = relay.var("x", shape=shape)
    size = shape[2] * factor, shape[3] * factor
    modes = "NCHW", "nearest_neighbor", "asymmetric"
    resized = relay.image.resize2d(x, size, None, *modes)
    right = value.repeat(factor, 2).repeat(factor, 3)
    assert_moved(resized, value, right, target)
    wide = relay.image.resize2d(x, (shape[2], size[1]), None, *modes)
    np.testing.assert_array_equal(computed(wide, value, target), value.repeat(factor, 3))


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize("block", [2, 3, 4])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (7, 2), (4, 3), (5, 14), (3, 70)])
def test_channels_become_blocks(rows, columns, block, mode, target):
    value = random((1, 5 * block * block, rows, columns))
    split = (5, block, block) if mode == "CRD" else (block, block, 5)
    parts = value.reshape(1, *split, rows, columns)
    axes = (1, 4, 2, 5, 3) if mode == "CRD" else (3, 4, 1, 5, 2)
    right = parts.transpose(0, *axes).reshape(1, 5, rows * block, columns * block)
    shuffled = relay.nn.depth_to_space(relay.var("x", shape=value.shape), block, mode=mode)
    assert_moved(shuffled, value, right, target)


def test_rows_of_a_few_columns_are_written_together():
    image = te.placeholder((1, 8, 6, 4), name="x")
    assert set(written_lanes(image, topi.nn.depth_to_space(image, 2))) == {16}


@pytest.mark.parametrize("target", [X86, ARM])
def test_longer_vectors_are_taken_apart(target):
    image = te.placeholder((1, 8, 6, 5), name="x")
    shuffled = topi.nn.depth_to_space(image, 2)
    assert set(written_lanes(image, shuffled, target)) == {16, 8}
