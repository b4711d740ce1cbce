# SPDX-License-Identifier: Apache-2.0
"""FlexPiePreOptimize keeps answers and leaves nothing for the boards' builds to fold."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.passes.blocking import block_of
from flexpie_tvm.passes.fold import fold_constants
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.runtime import relative_error, run_whole

AVX2 = "llvm -mcpu=core-avx2"


def net(rng: np.random.Generator) -> tvm.IRModule:
    """conv, batch norm, relu, depthwise conv, split, concatenate, dropout."""

    def weight(*shape):
        return relay.const(rng.normal(size=shape).astype("float32"))

    x = relay.var("x", shape=(1, 3, 10, 10))
    y = relay.nn.conv2d(x, weight(16, 3, 3, 3), channels=16, kernel_size=(3, 3), padding=1)
    scale, shift, mean = weight(16), weight(16), weight(16)
    variance = relay.const(rng.uniform(0.5, 2, 16).astype("float32"))
    y = relay.nn.relu(relay.nn.batch_norm(y, scale, shift, mean, variance)[0])
    y = relay.nn.conv2d(
        y, weight(16, 1, 3, 3), channels=16, kernel_size=(3, 3), padding=1, groups=16
    )
    left, right = relay.split(y, [4], axis=1)
    y = relay.nn.dropout(relay.concatenate([right, left], axis=1))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))


def op_names(mod: tvm.IRModule) -> list[str]:
    return [n.op.name for n in post_order(mod["main"].body) if isinstance(n, relay.Call)]


def test_answers_stay():
    rng = np.random.default_rng(3)
    mod = net(rng)
    inputs = {"x": rng.normal(size=(1, 3, 10, 10)).astype("float32")}
    (before,) = run_whole(mod, AVX2, inputs)
    (after,) = run_whole(flexpie_tvm.FlexPiePreOptimize(AVX2)(mod), AVX2, inputs)
    assert relative_error(after, before) < 1e-5


def test_x86_convolutions_are_blocked_and_nothing_constant_is_left():
    done = flexpie_tvm.FlexPiePreOptimize(AVX2)(net(np.random.default_rng(3)))
    names = op_names(done)
    assert "nn.contrib_conv2d_NCHWc" in names
    assert "nn.contrib_depthwise_conv2d_NCHWc" in names
    assert not {"nn.batch_norm", "nn.dropout", "split", "nn.conv2d"} & set(names)
    for node in post_order(done["main"].body):
        if isinstance(node, relay.Call):
            assert not all(isinstance(arg, relay.Constant) for arg in node.args)


def test_gates_that_are_computed_scale_images_and_not_weights():
    """TVM moves them into the weights, too, which then are not constant."""
    rng = np.random.default_rng(5)

    def conv(data, ins, outs, size):
        weight = relay.const(rng.normal(size=(outs, ins, size, size)).astype("float32"))
        return relay.nn.conv2d(
            data, weight, channels=outs, kernel_size=(size, size), padding=size // 2
        )

    x = relay.var("x", shape=(1, 8, 6, 6))
    y = relay.nn.relu(conv(x, 8, 32, 3))
    gate = relay.sigmoid(conv(relay.nn.global_avg_pool2d(y), 32, 32, 1))
    y = conv(y * gate, 32, 16, 1)
    y = y * relay.const(rng.uniform(1, 2, (16, 1, 1)).astype("float32"))  # folded
    mod = tvm.IRModule.from_expr(relay.Function([x], y))
    done = flexpie_tvm.FlexPiePreOptimize(AVX2)(mod)
    for node in post_order(done["main"].body):
        if isinstance(node, relay.Call) and node.op.name == "nn.contrib_conv2d_NCHWc":
            assert isinstance(node.args[1], relay.Constant)
    assert op_names(done).count("multiply") == 1
    inputs = {"x": rng.normal(size=(1, 8, 6, 6)).astype("float32")}
    (before,) = run_whole(mod, AVX2, inputs)
    assert relative_error(run_whole(done, AVX2, inputs)[0], before) < 1e-5


@pytest.mark.parametrize(("arch", "blocks"), [("aarch64", 2), ("x86_64", 0)])
def test_convolutions_of_arm_are_blocked_and_those_for_unknown_vectors_are_not(arch, blocks):
    target = f"llvm -mtriple={arch}-linux-gnu -keys=arm_cpu,cpu"
    names = op_names(flexpie_tvm.FlexPiePreOptimize(target)(net(np.random.default_rng(3))))
    assert sum("NCHWc" in name for name in names) == blocks
    assert names.count("nn.conv2d") == 2 - blocks


@pytest.mark.parametrize(
    ("channels", "lanes", "block"), [(64, 16, 16), (24, 16, 12), (3, 8, 3), (7, 4, 1), (1, 8, 1)]
)
def test_blocks_divide_the_channels(channels, lanes, block):
    assert block_of(channels, lanes) == block


@pytest.mark.parametrize(
    ("source", "target", "shape"),
    [
        ("OIHW", "OIHW4i8o", (16, 8, 3, 3)),
        ("OIHW4i8o", "OIHW2i4o", (2, 2, 3, 3, 4, 8)),
        ("NCHW8c", "NCHW", (1, 3, 5, 6, 8)),
        ("NCHW", "NHWC", (2, 3, 4, 5)),
        ("HWIO", "OIHW2i", (3, 3, 4, 6)),
    ],
)
def test_folding_a_layout_transform_is_what_tvm_computes(source, target, shape):
    value = np.random.default_rng(4).normal(size=shape).astype("float32")
    x = relay.var("x", shape=shape)
    moved = relay.layout_transform(x, source, target)
    (expected,) = run_whole(
        tvm.IRModule.from_expr(relay.Function([x], moved)), "llvm", {"x": value}
    )
    constant = relay.layout_transform(relay.const(value), source, target)
    folded = fold_constants(tvm.IRModule.from_expr(relay.Function([], constant)))["main"].body
    np.testing.assert_array_equal(folded.data.numpy(), expected)


def test_what_numpy_does_not_know_is_left_to_tvm():
    value = np.random.default_rng(5).normal(size=(4, 4)).astype("float32")
    body = relay.add(relay.var("x", shape=(4, 4)), relay.erf(relay.const(value)))
    x = relay.analysis.free_vars(body)
    folded = fold_constants(tvm.IRModule.from_expr(relay.Function(x, body)))
    assert op_names(folded) == ["add"]
