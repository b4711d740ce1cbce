# SPDX-License-Identifier: Apache-2.0
"""Slices and transposes that read runs of memory: every element where it belongs."""

import pytest
from tvm import relay, te, topi

from flexpie_tvm.kernels.flat_rows import one_row
from flexpie_tvm.machine import AVX512

from .moving import ARM, assert_moved, random, written_lanes

SHAPES = [(1, 6, 5, 7), (1, 1, 1, 1), (2, 4, 1, 13), (1, 3, 9, 1), (1, 5, 4, 40), (1, 32, 7, 7)]
PARTS = {
    "channels": ((0, 1, 0, 0), (9, 3, 99, 99)),
    "rows": ((0, 0, 1, 0), (9, 99, 4, 99)),
    "columns": ((0, 0, 0, 2), (9, 99, 99, 6)),
    "all": ((0, 0, 0, 0), (9, 99, 99, 99)),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_slices(shape, part, target):
    begin = [min(a, n - 1) for a, n in zip(PARTS[part][0], shape, strict=True)]
    end = [max(a + 1, min(b, n)) for a, b, n in zip(begin, PARTS[part][1], shape, strict=True)]
    value = random(shape)
    sliced = relay.strided_slice(relay.var("x", shape=shape), begin, end)
    assert_moved(sliced, value, value[tuple(map(slice, begin, end))], target)


@pytest.mark.parametrize(
    ("begin", "end", "vectors"),
    [
        ((0, 2, 0, 0), (1, 8, 7, 7), {16, 6 * 7 * 7 % 16}),
        ((0, 0, 1, 0), (1, 10, 6, 7), {16, 5 * 7 % 16}),
        ((0, 0, 0, 1), (1, 10, 7, 6), {5}),
    ],
    ids=["channels", "rows", "columns"],
)
def test_what_lies_in_one_run_is_copied_in_whole_vectors(begin, end, vectors):
    image = te.placeholder((1, 10, 7, 7), name="x")
    assert set(written_lanes(image, topi.strided_slice(image, begin, end))) == vectors


def test_what_is_added_may_be_the_same_for_all_pixels():
    image, bias = (te.placeholder(shape, name="x") for shape in ((1, 10, 7, 7), (6, 1, 1)))
    sliced = topi.strided_slice(image, [0, 2, 0, 0], [1, 8, 7, 7])
    pixels = one_row(topi.add(sliced, bias), AVX512)
    assert pixels is not None
    columns = te.placeholder((7,), name="x")
    assert one_row(topi.add(sliced, columns), AVX512) is None


@pytest.mark.parametrize("axes", [(0, 1, 3, 2), (0, 2, 1, 3), (1, 0, 2, 3), (0, 2, 3, 1)])
@pytest.mark.parametrize("shape", [(1, 5, 1, 37), (3, 4, 7, 5), (1, 1, 9, 3)], ids=str)
def test_transposes_of_whole_rows_and_images(shape, axes, target):
    value = random(shape)
    moved = relay.transpose(relay.var("x", shape=shape), axes)
    assert_moved(moved, value, value.transpose(axes), target)


def test_a_transpose_that_moves_nothing_is_copied_in_whole_vectors():
    image = te.placeholder((1, 4, 1, 37), name="x")
    assert set(written_lanes(image, topi.transpose(image, (0, 1, 3, 2)))) == {16, 4 * 37 % 16}


def test_boards_of_arm_write_alike():
    image = te.placeholder((1, 10, 7, 7), name="x")
    sliced = topi.strided_slice(image, [0, 2, 0, 0], [1, 8, 7, 7])
    assert 6 * 7 * 7 % 16 in written_lanes(image, sliced, ARM)
