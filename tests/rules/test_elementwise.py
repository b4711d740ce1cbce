# SPDX-License-Identifier: Apache-2.0
"""Tiles of pointwise operators equal slices of the whole operator."""

import numpy as np
import pytest
from tvm import relay

from flexpie_tvm.rules import rule_for
from flexpie_tvm.testing.tiles import check_call, single_op


@pytest.mark.parametrize("other", [(2, 3, 4, 5), (3, 1, 1), (4, 5), (1, 1, 4, 1), (), (5,)])
@pytest.mark.parametrize("swap", [False, True])
def test_broadcast(other, swap):
    x, y = relay.var("x", shape=(2, 3, 4, 5)), relay.var("y", shape=other)
    check_call(relay.subtract(*((y, x) if swap else (x, y))))


def test_broadcast_of_both_operands():
    x, y = relay.var("x", shape=(3, 1, 5)), relay.var("y", shape=(4, 1))
    check_call(relay.divide(x, y))


@pytest.mark.parametrize("condition", [(2, 4, 5), (4, 1), (2, 1, 1)])
def test_where(condition):
    c = relay.var("c", shape=condition, dtype="bool")
    x, y = relay.var("x", shape=(2, 4, 5)), relay.var("y", shape=(5,))
    check_call(relay.where(c, x, y))


@pytest.mark.parametrize("name", ["erf", "sigmoid", "tanh", "exp", "negative", "round", "sign"])
def test_unary(name):
    check_call(getattr(relay, name)(relay.var("x", shape=(1, 3, 4, 5))), count=4)


@pytest.mark.parametrize("axis", [1, -1, 3])
def test_bias_add(axis):
    x, b = relay.var("x", shape=(1, 4, 3, 4)), relay.var("b", shape=(4,))
    check_call(relay.nn.bias_add(x, b, axis=axis))


@pytest.mark.parametrize("axis", [1, 3])
def test_prelu(axis):
    x, a = relay.var("x", shape=(1, 4, 3, 4)), relay.var("a", shape=(4,))
    check_call(relay.nn.prelu(x, a, axis=axis))


POINTWISE = {
    "clip": lambda x: relay.clip(x, -0.5, 0.5),
    "leaky_relu": lambda x: relay.nn.leaky_relu(x, 0.3),
    "cast": lambda x: relay.cast(x, "int32"),
    "zeros_like": relay.zeros_like,
    "ones_like": relay.ones_like,
    "isnan": relay.isnan,
}


@pytest.mark.parametrize("name", POINTWISE)
def test_unary_with_attributes(name):
    check_call(POINTWISE[name](relay.var("x", shape=(1, 3, 4, 5))), count=5)


@pytest.mark.parametrize("name", ["fast_exp", "fast_tanh", "fast_erf"])
def test_fast_math(name):
    x = relay.var("x", shape=(3, 4))
    check_call(relay.Call(relay.op.get(name), [x]))


def test_full_like():
    x, value = relay.var("x", shape=(3, 4)), relay.const(np.float32(2.5))
    check_call(relay.full_like(x, value))


def test_integer_arithmetic():
    x, y = (relay.var(n, shape=(3, 4), dtype="int32") for n in "xy")
    threes = np.full((3, 4), 3, "int32")
    check_call(relay.mod(x, y), feeds={"y": threes})
    check_call(relay.right_shift(x, y), feeds={"y": threes})


def test_fixed_point_multiply_per_axis():
    x = relay.var("x", shape=(1, 4, 3, 5), dtype="int32")
    factors = relay.const(np.array([1 << 30, 1 << 29, 3 << 28, 1 << 30], "int32"))
    left, right = (relay.const(np.array(v, "int32")) for v in ([0, 1, 0, 2], [1, 0, 2, 0]))
    expr = relay.op._make.fixed_point_multiply_per_axis(x, factors, left, right, True, True, [1])
    check_call(expr)


def test_pointwise_operators_join_the_layer_before_them():
    x = relay.var("x", shape=(3, 4))
    assert rule_for(single_op(relay.nn.relu(x))).pointwise
    assert not rule_for(single_op(relay.nn.softmax(x))).pointwise
