# SPDX-License-Identifier: Apache-2.0
"""Vectors read from a few places: every element from where it was, in few reads."""

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay, te, tir, topi

from flexpie_tvm.kernels.context import CONFIG
from flexpie_tvm.kernels.tir.shuffled_reads import lane_of, reads, worth_shuffling

from .moving import ARM, UNKNOWN, X86, computed, nodes

OPERATORS = {
    "every second": (lambda x: _every(x, 2), lambda v: v[..., ::2]),
    "every fourth": (lambda x: _every(x, 4), lambda v: v[..., ::4]),
    "every ninth": (lambda x: _every(x, 9), lambda v: v[..., ::9]),
    "backwards": (lambda x: relay.reverse(x, 3), lambda v: v[..., ::-1]),
    "twice": (lambda x: relay.repeat(x, 2, 3), lambda v: v.repeat(2, 3)),
    "thrice": (lambda x: relay.repeat(x, 3, 3), lambda v: v.repeat(3, 3)),
    "blocks": (lambda x: relay.nn.space_to_depth(relay.tile(x, (1, 1, 2, 2)), 2), None),
}


@pytest.mark.parametrize("widest", [4, 16])
@given(offsets=st.lists(st.integers(-100, 100), min_size=1, max_size=64))
def test_reads_cover_all_lanes_and_reach_no_further(widest, offsets):
    found = reads(offsets, widest)
    covered = {start + k for start, width in found for k in range(width)}
    assert set(offsets) <= covered
    assert min(offsets) == min(covered)
    assert max(offsets) == max(covered)
    assert all(width <= widest and width.bit_count() == 1 for _, width in found)


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([0, 0, 1, 1, 2, 2, 3, 3], [(0, 4)]),
        ([0, 100, 1, 101, 2, 102], [(0, 2), (1, 2), (100, 2), (101, 2)]),
        ([0, 2, 4, 6], [(0, 4), (3, 4)]),
        ([5, 4, 3], [(3, 2), (4, 2)]),
    ],
)
def test_what_is_beside_each_other_is_read_together(offsets, expected):
    assert reads(offsets, 16) == expected


def test_lanes_that_lie_far_apart_are_read_one_by_one():
    assert not worth_shuffling(range(0, 160, 10), 16)
    assert worth_shuffling(range(0, 32, 2), 16)


def test_a_lane_of_an_index():
    ramp, spread = tir.Ramp(tir.const(6), tir.const(1), 4), tir.Broadcast(tir.const(2), 4)
    third = lane_of(tir.FloorDiv(ramp, spread) * spread, 3)
    assert int(tvm.arith.Analyzer().simplify(third)) == 8
    assert lane_of(tir.Cast("int32x4", tir.Cast("float32x4", ramp)), 0) is None


@pytest.mark.parametrize(("target", "shuffled"), [(X86, True), (ARM, True), (UNKNOWN, False)])
def test_only_kernels_for_known_vector_units_are_changed(target, shuffled):
    image = te.placeholder((1, 2, 3, 64), name="x")
    half = topi.strided_slice(image, [0, 0, 0, 0], [1, 2, 3, 64], [1, 1, 1, 2])
    with tvm.target.Target(target), tvm.transform.PassContext(3, config=CONFIG):
        body = tvm.lower(topi.x86.schedule_injective(half), [image, half])["main"].body
    assert bool(nodes(body, tir.Shuffle)) == shuffled


@pytest.mark.parametrize("dtype", ["float32", "int8", "int64", "bool"])
@pytest.mark.parametrize("columns", [1, 5, 16, 37, 64, 150])
@pytest.mark.parametrize("name", OPERATORS)
def test_elements_come_from_where_they_were(name, columns, dtype, target):
    operator, expected = OPERATORS[name]
    value = np.random.default_rng(columns).integers(-100, 100, (1, 3, 4, columns)) % 7 - 3
    value = value.astype(dtype)
    result = operator(relay.var("x", shape=value.shape, dtype=dtype))
    right = _blocks(value) if expected is None else expected(value)
    np.testing.assert_array_equal(computed(result, value, target), right)


def _every(x: relay.Expr, step: int) -> relay.Expr:
    return relay.strided_slice(x, [0], [10**6], [step], axes=[3])


def _blocks(value: np.ndarray) -> np.ndarray:
    tiled = np.tile(value, (1, 1, 2, 2))
    _, channels, rows, columns = tiled.shape
    parts = tiled.reshape(1, channels, rows // 2, 2, columns // 2, 2).transpose(0, 3, 5, 1, 2, 4)
    return parts.reshape(1, 4 * channels, rows // 2, columns // 2)
