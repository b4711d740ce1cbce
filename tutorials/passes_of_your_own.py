# SPDX-License-Identifier: Apache-2.0
"""TVM's own passes around ours, in one ``Sequential``.

Run it with ``python tutorials/passes_of_your_own.py``; it takes some seconds and no board.
"""

import numpy as np
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.testing import emulate_lowered, emulate_whole

TARGET = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"


def network(rng: np.random.Generator) -> tvm.IRModule:
    """Two convolutions with a dropout between them, and a result that nobody reads."""
    x = relay.var("x", shape=(1, 4, 12, 12))
    first = relay.const(rng.normal(size=(8, 4, 3, 3)).astype("float32"))
    second = relay.const(rng.normal(size=(8, 8, 3, 3)).astype("float32"))
    sizes = {"kernel_size": (3, 3), "padding": (1, 1)}
    hidden = relay.nn.relu(relay.nn.conv2d(x, first, channels=8, **sizes))
    unread = relay.exp(hidden)
    body = relay.nn.conv2d(relay.nn.dropout(hidden), second, channels=8, **sizes)
    body = relay.TupleGetItem(relay.Tuple([body, unread]), 0)
    return tvm.IRModule.from_expr(relay.Function([x], body))


@tvm.transform.module_pass(opt_level=0, name="CountConvolutions")
def count_convolutions(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
    """A pass of yours, which sees what the passes before it made."""
    found = []
    relay.analysis.post_order_visit(mod["main"], lambda node: found.append(node))
    calls = [node for node in found if isinstance(node, relay.Call)]
    ops = [call.op.name for call in calls if isinstance(call.op, tvm.ir.Op)]
    convolutions, cuts = sum("conv2d" in op for op in ops), ops.count("flexpie.partition")
    print(f"convolutions: {convolutions}, cuts: {cuts}")
    return mod


def main() -> None:
    """Optimize, cut, run all boards in this process, compare."""
    rng = np.random.default_rng(0)
    module = network(rng)
    # 1. Before ours: any pass whose result is a static module. After FlexPiePartition only such
    #    passes as keep its annotations, which are calls of the identity flexpie.partition.
    with flexpie_tvm.ClusterSpec(boards=2, bandwidth=1e9):
        pipeline = tvm.transform.Sequential(
            [
                relay.transform.InferType(),
                relay.transform.DeadCodeElimination(),
                relay.transform.FlexPiePreOptimize(TARGET),
                count_convolutions,
                relay.transform.FlexPiePartition(scheme="InH"),
                relay.transform.InferType(),
                count_convolutions,
            ]
        )
    # 2. TVM's pass context is respected: its level, options, and passes that it disables.
    with tvm.transform.PassContext(opt_level=3):
        cut = pipeline(module)
    # 3. The annotated module still runs whole; cut into one module a board it answers the same.
    inputs = {"x": rng.normal(size=(1, 4, 12, 12)).astype("float32")}
    (expected,) = emulate_whole(relay.transform.InferType()(module), inputs)
    (whole,) = emulate_whole(cut, inputs)
    (answer,) = emulate_lowered(flexpie_tvm.lower(cut), inputs)
    span = np.ptp(expected)
    print(f"whole and annotated, largest difference: {np.abs(whole - expected).max() / span:.1e}")
    print(f"on two boards, largest difference: {np.abs(answer - expected).max() / span:.1e}")


if __name__ == "__main__":
    main()
