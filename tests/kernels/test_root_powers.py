# SPDX-License-Identifier: Apache-2.0
"""Powers of quarters come from square roots, with the C library's answers."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay, te, tir
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.kernels.tir.root_powers import root_powers
from flexpie_tvm.runtime import run_whole

SPECIAL = np.array([0.0, 1e-30, 1e30, np.inf, -1.0, -np.inf, np.nan], "float32")


def kernel(exponent: float) -> tvm.IRModule:
    """x ** exponent, lowered."""
    x = te.placeholder((96,), name="x")
    y = te.compute((96,), lambda i: te.power(x[i], exponent))
    return tvm.lower(te.create_schedule(y.op), [x, y])


def calls(module: tvm.IRModule) -> set[str]:
    found = set()
    for function in module.functions.values():
        tir.stmt_functor.post_order_visit(
            function.body,
            lambda node: found.add(node.op.name) if isinstance(node, tir.Call) else None,
        )
    return found


@pytest.mark.parametrize("exponent", [0.25, 0.5, 0.75, 1.25, 1.5, 2.75, 3.5])
def test_quarters_are_roots(exponent):
    assert calls(root_powers()(kernel(exponent))) == {"tir.sqrt"}


@pytest.mark.parametrize("exponent", [0.3, 2.0, 4.25, -0.5])
def test_other_exponents_stay(exponent):
    assert calls(root_powers()(kernel(exponent))) == {"tir.pow"}


@pytest.mark.parametrize("exponent", [0.25, 0.75, 1.5, 2.75])
def test_answers_are_those_of_powers(exponent, target):
    data = np.random.default_rng(2).uniform(0, 9, 96).astype("float32")
    data[: len(SPECIAL)] = SPECIAL
    with np.errstate(invalid="ignore", over="ignore"):
        expected = data.astype("float64") ** exponent
        expected = expected.astype("float32")
    built = tvm.build(root_powers()(kernel(exponent)), target=target)
    x, y = tvm.nd.array(data), tvm.nd.empty((96,))
    built(x, y)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)


def test_local_responses_are_normalised_as_by_tvm(target):
    x = relay.var("x", shape=(1, 13, 5, 7))
    module = tvm.IRModule.from_expr(relay.Function([x], relay.nn.lrn(x, 5, 1, 1.0, 2e-4, 0.75)))
    data = np.random.default_rng(4).normal(size=(1, 13, 5, 7)).astype("float32") * 50
    with build_context(laid_out=True):
        library = relay.build(module, keyed(target))
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    graph.set_input("x", data)
    graph.run()
    expected = run_whole(module, target, {"x": data})[0]
    np.testing.assert_allclose(graph.get_output(0).numpy(), expected, rtol=1e-5, atol=1e-6)
