# SPDX-License-Identifier: Apache-2.0
"""Concatenation of parts that depend on each other, and of parts that do not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tvm
from tvm import relay
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.target import keyed

SHAPE = (1, 8, 13, 10)


def shifted(data: relay.Expr) -> relay.Expr:
    """A tensor beside itself, moved by three columns."""
    active = relay.nn.relu(data)
    moved = relay.strided_slice(active, [0, 0, 0, 3], list(SHAPE))
    padded = relay.nn.pad(moved, [(0, 0), (0, 0), (0, 0), (0, 3)])
    return relay.concatenate([active, padded], 1)


def apart(data: relay.Expr) -> relay.Expr:
    return relay.concatenate([relay.nn.relu(data), relay.negative(data)], 1)


def numpy_shifted(x: np.ndarray) -> np.ndarray:
    active = np.maximum(x, 0)
    moved = np.concatenate([active[..., 3:], np.zeros_like(active[..., :3])], -1)
    return np.concatenate([active, moved], 1)


def numpy_apart(x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.maximum(x, 0), -x], 1)


@pytest.mark.parametrize(
    ("make", "expected", "ours"),
    [(shifted, numpy_shifted, True), (apart, numpy_apart, False)],
)
def test_parts_are_copied_or_chosen(make, expected, ours, caplog):
    data = relay.var("data", shape=SHAPE)
    mod = tvm.IRModule.from_expr(relay.Function([data], make(data)))
    caplog.set_level(logging.INFO, logger="te_compiler")
    with build_context(laid_out=False):
        library = relay.build(mod, keyed(tvm.target.Target("llvm -mcpu=core-avx2")))
    assert ("concatenate.flexpie" in caplog.text) == ours
    executor = graph_executor.GraphModule(library["default"](tvm.cpu(0)))
    x = np.random.default_rng(15).normal(size=SHAPE).astype("float32")
    executor.set_input("data", x)
    executor.run()
    np.testing.assert_array_equal(executor.get_output(0).numpy(), expected(x))
