# SPDX-License-Identifier: Apache-2.0
"""What tests of kernels that move elements share: what may follow, what is written, the answers."""

from __future__ import annotations

from math import prod

import numpy as np
import tvm
from tvm import relay, te, tir, topi
from tvm.contrib import graph_executor

from flexpie_tvm.kernels.context import CONFIG, build_context
from flexpie_tvm.kernels.moves import moved
from flexpie_tvm.kernels.target import keyed, unit_of

X86 = "llvm -mcpu=skylake-avx512"
ARM = "llvm -mtriple=aarch64-linux-gnu -keys=arm_cpu,cpu"
#: Schedules of ARM for another architecture: no vector unit that kernels of ours know.
UNKNOWN = "llvm -mtriple=x86_64-linux-gnu -keys=arm_cpu,cpu"


def random(shape) -> np.ndarray:
    """The same for the same shape."""
    return np.random.default_rng(prod(shape)).normal(size=tuple(shape)).astype("float32")


def assert_moved(result: relay.Expr, value: np.ndarray, right: np.ndarray, target: str) -> None:
    """Right alone, and followed by operators that work element by element.

    To the last bit, but for tanh.
    """
    bias, scale = random((right.shape[1], 1, 1)), random(right.shape)
    cases = (
        (result, right, 0),
        (relay.nn.relu(result + relay.const(bias)), np.maximum(right + bias, 0), 0),
        (result * relay.const(scale), right * scale, 0),
        (relay.tanh(result), np.tanh(right), 1e-6),
    )
    for case, expected, tolerance in cases:
        got = computed(case, value, target)
        np.testing.assert_allclose(got, expected, tolerance, tolerance)


def computed(result: relay.Expr, value: np.ndarray, target: str) -> np.ndarray:
    """The answer of our kernels, built for the target."""
    mod = tvm.IRModule.from_expr(relay.Function(relay.analysis.free_vars(result), result))
    with build_context(laid_out=True):
        library = relay.build(mod, keyed(target))
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.set_input(0, value)
    module.run()
    return module.get_output(0).numpy()


def written_lanes(image: te.Tensor, result: te.Tensor, target: str = X86) -> list[int]:
    """The lanes of what the kernel of a result writes."""
    with tvm.target.Target(target) as own, tvm.transform.PassContext(3, config=CONFIG):
        ours = moved(result, unit_of(own))
        schedule = topi.x86.schedule_injective(result) if ours is None else ours
        body = tvm.lower(schedule, [image, result])["main"].body
    return [tvm.DataType(store.value.dtype).lanes for store in nodes(body, tir.BufferStore)]


def nodes(body: tir.Stmt, kind: type) -> list:
    """All nodes of a kind, in no order."""
    found = []

    def visit(node) -> None:
        if isinstance(node, kind):
            found.append(node)

    tir.stmt_functor.post_order_visit(body, visit)
    return found
