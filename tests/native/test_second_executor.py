# SPDX-License-Identifier: Apache-2.0
"""Another executor of a model, for a second frame: its own layers, the first one's weights."""

import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor

SHAPE = (4, 8)


def library():
    """x @ w, and beside it w, which is an answer as it is; with the random weights."""
    x, w = relay.var("x", shape=SHAPE), relay.var("w", shape=(6, 8))
    answers = relay.Tuple([relay.nn.relu(relay.nn.dense(x, w)), w])
    weights = np.random.default_rng(3).standard_normal((6, 8)).astype("float32")
    with tvm.transform.PassContext(opt_level=0, config={"tir.disable_cse_tir": True}):
        built = relay.build(
            tvm.IRModule.from_expr(relay.Function([x, w], answers)),
            "llvm",
            params={"w": weights},
        )
    return built, weights


def two_executors():
    built, weights = library()
    first = graph_executor.GraphModule(built["default"](tvm.cpu()))
    second = tvm.get_global_func("flexpie.second_executor")(built.module, first.module)
    return first, graph_executor.GraphModule(second), weights, built.get_params()


def answers_of(executor):
    return executor.get_output(0).numpy(), executor.get_output(1).numpy()


def test_each_has_memory_of_its_own_for_a_frame():
    first, second, weights, _ = two_executors()
    frames = np.random.default_rng(4).standard_normal((2, *SHAPE)).astype("float32")
    for executor, frame in zip((first, second), frames, strict=True):
        executor.set_input("x", frame)
    second.run()
    first.run()
    for executor, frame in zip((first, second), frames, strict=True):
        product, as_it_is = answers_of(executor)
        np.testing.assert_allclose(product, np.maximum(frame @ weights.T, 0), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(as_it_is, weights)


def test_weights_are_the_first_one_s():
    first, second, weights, held = two_executors()
    frame = np.random.default_rng(5).standard_normal(SHAPE).astype("float32")
    for name, value in held.items():
        first.set_input(name, 2 * value.numpy())
    second.set_input("x", frame)
    second.run()
    product, _ = answers_of(second)
    np.testing.assert_allclose(product, np.maximum(frame @ weights.T, 0) * 2, rtol=1e-5, atol=1e-5)
