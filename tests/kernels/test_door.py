# SPDX-License-Identifier: Apache-2.0
"""Which implementation TVM takes: ours under our key, its own without."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tvm
from tvm import relay, te
from tvm.relay.backend import te_compiler

import flexpie_tvm
from flexpie_tvm.codegen.build import build_kernels
from flexpie_tvm.kernels.context import build_context, stock_context
from flexpie_tvm.kernels.target import KEY, keyed, unit_of, unkeyed
from flexpie_tvm.machine import AVX2, AVX512, NEON, SSE
from flexpie_tvm.relay.layout import layout_of
from flexpie_tvm.relay.lower import lower

X86 = "llvm -mcpu=core-avx2"
ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
#: Schedules of ARM for another architecture.
MIXED = "llvm -mtriple=x86_64-linux-gnu -keys=arm_cpu,cpu"


def _batches(dtype: str = "float32") -> relay.Expr:
    a, b = (
        relay.var("a", shape=(2, 9, 5), dtype=dtype),
        relay.var("b", shape=(2, 7, 5), dtype=dtype),
    )
    return relay.nn.batch_matmul(a, b, out_dtype=dtype)


def _conv(groups: int, channels: int = 8, filters: int = 6) -> relay.Expr:
    x = relay.var("x", shape=(1, channels, 9, 9))
    w = relay.var("w", shape=(filters, channels // groups, 3, 3))
    return relay.nn.conv2d(x, w, padding=1, channels=filters, kernel_size=(3, 3), groups=groups)


def _transposed() -> relay.Expr:
    x, w = relay.var("x", shape=(1, 8, 9, 9)), relay.var("w", shape=(8, 3, 3, 3))
    return relay.nn.conv2d_transpose(x, w, channels=6, kernel_size=(3, 3), groups=2)


def _image() -> relay.Var:
    return relay.var("x", shape=(1, 4, 8, 8))


CASES = {
    "batched product": (_batches(), "batch_matmul.flexpie"),
    "product of integers": (_batches("int32"), "batch_matmul.x86"),
    "grouped convolution": (_conv(2), "group_conv2d_nchw.flexpie"),
    "depthwise convolution": (_conv(8, filters=8), "depthwise_conv2d_nchw.x86"),
    "sum": (relay.sum(_image(), 1), "reduce.cpu.flexpie"),
    "pool": (relay.nn.max_pool2d(_image(), (2, 2)), "pool.cpu.flexpie"),
    "adaptive pool": (relay.nn.adaptive_avg_pool2d(_image()), "adaptive_pool.cpu.flexpie"),
    "local responses": (relay.nn.lrn(_image()), "lrn.generic.flexpie"),
    "flat": (relay.nn.batch_flatten(_image()), "injective.cpu.flexpie"),
    "blocks": (
        relay.layout_transform(_image(), "NCHW", "NCHW4c"),
        "layout_transform.generic.flexpie",
    ),
    "transpose": (relay.transpose(_image()), "transpose.generic.flexpie"),
    "pad": (relay.nn.pad(_image(), ((0, 0), (0, 0), (1, 1), (1, 1))), "pad.generic.flexpie"),
    "softmax": (relay.nn.softmax(_image()), "softmax.x86.flexpie"),
}


@pytest.mark.parametrize("name", CASES)
def test_our_key_brings_our_kernels_and_schedules(name):
    call, implementation = CASES[name]
    assert _chosen(call, keyed(X86)) == implementation


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("target", [X86, ARM])
def test_without_the_key_nothing_is_ours(name, target):
    assert KEY not in _chosen(CASES[name][0], tvm.target.Target(target))


@pytest.mark.parametrize(
    ("name", "implementation"),
    [
        ("batched product", "batch_matmul.flexpie"),
        ("grouped convolution", "group_conv2d_nchw.flexpie"),
        ("sum", "reduce.arm_cpu.flexpie"),
        ("pool", "pool.arm_cpu.flexpie"),
        ("flat", "injective.arm_cpu.flexpie"),
    ],
)
def test_boards_of_arm_have_them_too(name, implementation):
    call, _ = CASES[name]
    assert _chosen(call, keyed(ARM)) == implementation
    assert KEY not in _chosen(call, keyed(MIXED))


def test_transposed_convolutions_in_groups_are_refused_by_tvm_on_arm_alone():
    with pytest.raises(AssertionError, match="groups == 1"):
        _chosen(_transposed(), tvm.target.Target(ARM))
    assert _chosen(_transposed(), keyed(ARM)) == "group_conv2d_transpose_nchw.flexpie"
    assert KEY not in _chosen(_transposed(), keyed(X86))


def test_plain_convolutions_are_left_until_layouts_are_chosen():
    for laid_out, implementation in (
        (True, "group_conv2d_nchw.flexpie"),
        (False, "conv2d_nchw.x86"),
    ):
        with build_context(laid_out):
            assert _chosen(_conv(1), keyed(X86)) == implementation


def test_libraries_stay_before_our_kernels():
    assert _chosen(_batches(), keyed(f"{X86} -libs=mkl")) == "batch_matmul_mkl.x86"


def test_the_key_comes_first_and_goes_without_a_trace():
    for text in (X86, ARM, f"{X86} -libs=cblas"):
        target = tvm.target.Target(text)
        assert [str(key) for key in keyed(target).keys] == [KEY, *map(str, target.keys)]
        assert str(keyed(keyed(target))) == str(keyed(target))
        assert str(unkeyed(keyed(target))) == str(target)


@pytest.mark.parametrize(
    ("target", "unit"),
    [
        ("llvm -mcpu=skylake-avx512", AVX512),
        (X86, AVX2),
        ("llvm -mcpu=nehalem", SSE),
        (ARM, NEON),
        (MIXED, None),
        ("llvm -mtriple=arm-linux-gnueabihf -keys=arm_cpu,cpu", None),
        ("llvm -mtriple=riscv64-linux-gnu", None),
        ("cuda -arch=sm_80", None),
    ],
)
def test_vector_units_of_targets(target, unit):
    assert unit_of(tvm.target.Target(target)) == unit


def test_the_chosen_layout_is_written_on_the_module_and_its_parts(module):
    assert layout_of(module) is None
    for target, layout in ((X86, "NCHW8c"), (ARM, "NCHW4c"), (MIXED, None)):
        mod = flexpie_tvm.FlexPiePreOptimize(target)(module)
        assert layout_of(mod) == layout
        annotated = flexpie_tvm.FlexPiePartition(2, "InH")(mod)
        assert layout_of(annotated) == layout
        assert {layout_of(board) for board in lower(annotated).boards} == {layout}


def test_a_module_without_a_layout_is_laid_out_as_it_is_compiled(module, tmp_path):
    """Its convolutions run in blocks all the same, which TVM has chosen."""
    boards = lower(flexpie_tvm.FlexPiePartition(1, "Single")(module)).boards
    (graph,) = build_kernels(boards, tvm.target.Target(X86), tmp_path / "kernels.so")
    assert any("conv2d_NCHWc" in kernel for kernel in graph.kernels)


def test_a_layout_that_tvm_cannot_choose_is_said(caplog):
    """TVM 0.19 takes the indices of a topk for an image in blocks."""
    x = relay.var("x", shape=(1, 16, 8, 8))
    weight = relay.const(np.random.default_rng(0).normal(size=(16, 16, 3, 3)).astype("float32"))
    conv = relay.nn.conv2d(x, weight, padding=1, channels=16, kernel_size=(3, 3))
    best = relay.topk(conv, k=2, axis=1, ret_type="both")
    body = relay.Tuple([best[0], best[1]])
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], body)))
    with caplog.at_level(logging.WARNING):
        mod = flexpie_tvm.FlexPiePreOptimize(X86)(mod)
    assert layout_of(mod) == "NCHW"
    assert "stays in NCHW" in caplog.text


@pytest.fixture(scope="module")
def module(small_onnx) -> tvm.IRModule:
    """A small network with plain and depthwise convolutions."""
    return flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})


def _chosen(call: relay.Expr, target: tvm.target.Target) -> str:
    """The name of the implementation that TVM takes for an operator."""
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(call))
    call = mod["main"].body
    inputs = [te.placeholder(a.checked_type.shape, a.checked_type.dtype) for a in call.args]
    with target:
        found, _ = te_compiler.select_implementation(
            call.op, call.attrs, inputs, call.checked_type, target
        )
    return found.name


def test_the_reference_board_is_tvm_s_alone():
    with stock_context(), tvm.target.Target(X86) as target:
        assert _chosen(_batches(), target) == "batch_matmul.x86"
