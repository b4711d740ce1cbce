# SPDX-License-Identifier: Apache-2.0
"""Tiles of matrix products equal slices of the whole product."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call


@pytest.mark.parametrize("shape", [(5, 7), (1, 7)])
def test_dense(shape):
    x, w = relay.var("x", shape=shape), relay.var("w", shape=(6, 7))
    check_call(relay.nn.dense(x, w, units=6))


def test_dense_without_units():
    x, w = relay.var("x", shape=(5, 7)), relay.var("w", shape=(6, 7))
    check_call(relay.nn.dense(x, w))


@pytest.mark.parametrize("swap_a", [False, True])
@pytest.mark.parametrize("swap_b", [False, True])
def test_matmul(swap_a, swap_b):
    x = relay.var("x", shape=(7, 5) if swap_a else (5, 7))
    w = relay.var("w", shape=(6, 7) if swap_b else (7, 6))
    check_call(relay.nn.matmul(x, w, units=6, transpose_a=swap_a, transpose_b=swap_b))


@pytest.mark.parametrize("swap_a", [False, True])
@pytest.mark.parametrize("swap_b", [False, True])
def test_batch_matmul(swap_a, swap_b):
    x = relay.var("x", shape=(3, 7, 5) if swap_a else (3, 5, 7))
    w = relay.var("w", shape=(3, 6, 7) if swap_b else (3, 7, 6))
    check_call(relay.nn.batch_matmul(x, w, transpose_a=swap_a, transpose_b=swap_b))


@pytest.mark.parametrize(("first", "second"), [(1, 3), (3, 1), (1, 1)])
def test_batch_matmul_with_a_shared_operand(first, second):
    x, w = relay.var("x", shape=(first, 5, 7)), relay.var("w", shape=(second, 6, 7))
    check_call(relay.nn.batch_matmul(x, w))
