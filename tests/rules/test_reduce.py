# SPDX-License-Identifier: Apache-2.0
"""Tiles of reductions equal slices of the whole."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call

AXES = [
    {"axis": 1},
    {"axis": -1, "keepdims": True},
    {"axis": (1, 3)},
    {"axis": (2, 3), "keepdims": True},
    {"axis": (1,), "exclude": True},
    {"axis": (0, -2), "exclude": True, "keepdims": True},
]


@pytest.mark.parametrize("attrs", AXES, ids=str)
@pytest.mark.parametrize("name", ["sum", "argmax"])
def test_reductions_keep_other_axes_cuttable(name, attrs):
    x = relay.var("x", shape=(2, 3, 4, 5))
    expr = getattr(relay, name)(x, **attrs)
    check_call(expr)


@pytest.mark.parametrize("name", ["mean", "max", "min", "prod", "argmin"])
def test_other_reductions(name):
    x = relay.var("x", shape=(2, 3, 4))
    check_call(getattr(relay, name)(x, 1), count=5)


@pytest.mark.parametrize("name", ["all", "any"])
def test_boolean_reductions(name):
    x = relay.var("x", shape=(2, 3, 4), dtype="bool")
    check_call(getattr(relay, name)(x, 2), count=5)


def test_reduction_to_a_scalar():
    x = relay.var("x", shape=(2, 3))
    check_call(relay.max(x))


@pytest.mark.parametrize("keepdims", [False, True])
def test_variance(keepdims):
    x, mean = relay.var("x", shape=(2, 3, 4)), relay.var("m", shape=(2, 1, 4))
    expr = relay.op._make._variance(x, mean, [1], keepdims, False, False)
    check_call(expr)
