# SPDX-License-Identifier: Apache-2.0
"""Tiles of norms, scans and sorts equal slices of the whole."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call


def image(shape=(2, 6, 4, 3)):
    return relay.var("x", shape=shape)


def parameters(size):
    return relay.var("g", shape=(size,)), relay.var("b", shape=(size,))


@pytest.mark.parametrize("axis", [1, 3, -1])
def test_softmax_is_whole_along_its_axis(axis):
    check_call(relay.nn.softmax(image(), axis=axis), cuts={0, 1, 2, 3} - {axis % 4})


def test_log_softmax():
    check_call(relay.nn.log_softmax(image((3, 4))), cuts={0})


def test_lrn():
    check_call(relay.nn.lrn(image(), size=3), cuts={0, 2, 3})


def test_l2_normalize():
    check_call(relay.nn.l2_normalize(image(), eps=1e-4, axis=[1, 3]), cuts={0, 2})


def test_cumulative_sums():
    check_call(relay.cumsum(image((3, 4, 5)), axis=1), cuts={0, 2})


def test_sorts():
    check_call(relay.sort(image((3, 4, 5)), axis=1), cuts={0, 2}, count=6)
    check_call(relay.argsort(image((3, 4, 5)), axis=-1), cuts={0, 1}, count=6)


def test_trilu():
    check_call(relay.trilu(image((3, 4, 5)), relay.const(0), True), cuts={0})


def test_layer_norm():
    check_call(relay.nn.layer_norm(image((2, 5, 6)), *parameters(6)), cuts={0, 1})


def test_instance_norm():
    check_call(relay.nn.instance_norm(image(), *parameters(6)), cuts={0, 1})


def test_group_norm():
    check_call(relay.nn.group_norm(image(), *parameters(6), num_groups=3), cuts={0, 1})
