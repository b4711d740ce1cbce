# SPDX-License-Identifier: Apache-2.0
"""Which operators compute in float16, and who is told that they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import InputError, PlanError
from flexpie_tvm.passes.precision import FOLLOWERS, PRODUCTS, WIDE, check_precision, compute_in_half
from flexpie_tvm.relay.layout import layout_of
from flexpie_tvm.relay.precision import with_precision
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.testing import emulate_whole

A76, A72 = (
    f"llvm -mtriple=aarch64-linux-gnu -mcpu={cpu} -keys=arm_cpu,cpu"
    for cpu in ("cortex-a76", "cortex-a72")
)
HEAD = '#[version = "0.0.5"]\n'


def parsed(text: str, constants=()) -> tvm.IRModule:
    table = {"relay.Constant": list(constants)}
    return relay.transform.InferType()(tvm.relay.parse(HEAD + text, init_meta_table=table))


def check(before: str, after: str, constants=(), halves=()) -> None:
    """A module in, a module out; ``halves`` are the second one's constants."""
    wide = [relay.const(np.asarray(c, "float32")) for c in constants]
    found = compute_in_half(parsed(before, wide))
    expected = with_precision(parsed(after, [relay.const(np.asarray(c)) for c in halves]), "fp16")
    assert tvm.ir.structural_equal(found["main"], expected["main"]), f"{found}\n{expected}"


WEIGHTS = np.random.default_rng(3).standard_normal((4, 3, 3, 3)).astype("float32")


def test_what_follows_a_product_is_narrow_and_results_keep_their_type():
    check(
        """def @main(%x: Tensor[(1, 3, 8, 8), float32]) {
          %0 = nn.conv2d(%x, meta[relay.Constant][0], channels=4, kernel_size=[3, 3]);
          %1 = nn.bias_add(%0, meta[relay.Constant][1]);
          %2 = nn.relu(%1);
          nn.max_pool2d(%2, pool_size=[2, 2], strides=[2, 2])
        }""",
        """def @main(%x: Tensor[(1, 3, 8, 8), float32]) {
          %0 = cast(%x, dtype="float16");
          %1 = nn.conv2d(%0, meta[relay.Constant][0], channels=4, kernel_size=[3, 3],
                         out_dtype="float16");
          %2 = nn.bias_add(%1, meta[relay.Constant][1]);
          %3 = nn.relu(%2);
          %4 = nn.max_pool2d(%3, pool_size=[2, 2], strides=[2, 2]);
          cast(%4, dtype="float32")
        }""",
        [WEIGHTS, [1, 2, 3, 4]],
        [WEIGHTS.astype("float16"), np.array([1, 2, 3, 4], "float16")],
    )


def test_bounded_functions_are_computed_wide_and_narrowed_and_others_stay_wide():
    check(
        """def @main(%x: Tensor[(2, 4, 8), float32], %y: Tensor[(2, 6, 8), float32]) {
          %0 = nn.batch_matmul(%x, %y, transpose_b=True);
          %1 = nn.softmax(%0);
          %2 = add(%1, %0);
          %3 = exp(%2);
          add(%3, %2)
        }""",
        """def @main(%x: Tensor[(2, 4, 8), float32], %y: Tensor[(2, 6, 8), float32]) {
          %0 = cast(%x, dtype="float16");
          %1 = cast(%y, dtype="float16");
          %2 = nn.batch_matmul(%0, %1, transpose_b=True, out_dtype="float16");
          %3 = cast(%2, dtype="float32");
          %4 = nn.softmax(%3);
          %5 = cast(%4, dtype="float16");
          %6 = add(%5, %2);
          %7 = cast(%6, dtype="float32");
          %8 = exp(%7);
          add(%8, %7)
        }""",
    )


def test_before_the_first_product_nothing_is_narrow():
    before = """def @main(%x: Tensor[(1, 3, 8, 8), float32]) {
      %0 = multiply(%x, meta[relay.Constant][0]);
      %1 = sigmoid(%0);
      nn.relu(%1)
    }"""
    check(before, before, [0.5], [np.float32(0.5)])


def test_a_result_that_was_narrowed_for_a_product_is_given_as_it_was():
    check(
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = nn.batch_matmul(%x, %x, transpose_b=True);
          (%0, %x)
        }""",
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = cast(%x, dtype="float16");
          %1 = nn.batch_matmul(%0, %0, transpose_b=True, out_dtype="float16");
          %2 = cast(%1, dtype="float32");
          (%2, %x)
        }""",
    )


@pytest.mark.parametrize("value", [7e4, -1e9])
def test_constants_that_float16_has_no_numbers_for_stay(value):
    check(
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = nn.batch_matmul(%x, %x, transpose_b=True);
          maximum(%0, meta[relay.Constant][0])
        }""",
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = cast(%x, dtype="float16");
          %1 = nn.batch_matmul(%0, %0, transpose_b=True, out_dtype="float16");
          %2 = cast(%1, dtype="float32");
          maximum(%2, meta[relay.Constant][0])
        }""",
        [value], [np.float32(value)],
    )  # fmt: skip
    weights = WEIGHTS.copy()
    weights[1, 2, 0, 1] = value
    before = """def @main(%x: Tensor[(1, 3, 8, 8), float32]) {
      nn.conv2d(%x, meta[relay.Constant][0], channels=4, kernel_size=[3, 3])
    }"""
    check(before, before, [weights], [weights])


def test_bounds_of_clips_become_numbers_of_float16():
    check(
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = nn.batch_matmul(%x, %x, transpose_b=True);
          clip(%0, a_min=0f, a_max=3.4e38f)
        }""",
        """def @main(%x: Tensor[(2, 4, 8), float32]) {
          %0 = cast(%x, dtype="float16");
          %1 = nn.batch_matmul(%0, %0, transpose_b=True, out_dtype="float16");
          %2 = clip(%1, a_min=0f, a_max=65504f);
          cast(%2, dtype="float32")
        }""",
    )


def test_convolutions_without_a_kernel_of_float16_stay():
    before = """def @main(%x: Tensor[(1, 4, 8, 8), float32]) {
      nn.conv2d(%x, meta[relay.Constant][0], groups=2, channels=4, kernel_size=[3, 3])
    }"""
    weights = WEIGHTS[:, :2]
    check(before, before, [weights], [weights])


def test_operators_are_of_one_kind():
    assert not PRODUCTS & FOLLOWERS
    assert not WIDE & (PRODUCTS | FOLLOWERS)
    for name in PRODUCTS | FOLLOWERS | WIDE:
        assert name in tvm.ir.Op.list_op_names()


def _small_network(rng: np.random.Generator) -> tvm.IRModule:
    def weight(*shape):
        value = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        return relay.const(value.astype("float32"))

    x = relay.var("x", shape=(1, 3, 12, 12))
    y = relay.nn.conv2d(x, weight(16, 3, 3, 3), channels=16, kernel_size=(3, 3), padding=1)
    y = relay.sigmoid(y) * y
    y = relay.nn.conv2d(
        y, weight(16, 1, 3, 3), channels=16, kernel_size=(3, 3), padding=1, groups=16
    )
    y = relay.nn.conv2d(relay.nn.relu(y), weight(12, 16, 1, 1), channels=12, kernel_size=(1, 1))
    y = relay.nn.batch_flatten(relay.nn.global_avg_pool2d(y))
    y = relay.nn.dense(y, weight(10, 12))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))


def test_a_network_is_laid_out_in_eight_channels_and_answers_are_near():
    rng = np.random.default_rng(4)
    mod = _small_network(rng)
    done = flexpie_tvm.FlexPiePreOptimize(A76, "fp16")(mod)
    assert layout_of(done) == "NCHW8c"
    layouts = [
        node.attrs.out_layout
        for node in post_order(done["main"].body)
        if isinstance(node, relay.Call) and "NCHWc" in node.op.name
    ]
    assert layouts == ["NCHW8c", "NCHW8c", "NCHW4c"]  # half a register of 12 channels
    inputs = {"x": rng.standard_normal((1, 3, 12, 12)).astype("float32")}
    (expected,), (found,) = emulate_whole(mod, inputs), emulate_whole(done, inputs)
    assert found.dtype == "float32"
    difference = np.abs(found - expected).max() / np.ptp(expected)
    assert 1e-6 < difference < 2e-3


@pytest.mark.parametrize(
    ("target", "name"), [(A72, "cortex-a72"), ("llvm -mcpu=x86-64-v3", "x86-64-v3")]
)
def test_boards_without_the_arithmetic_are_named(target, name):
    with pytest.raises(InputError, match=f"^{name} has no fp16 arithmetic: choose fp32, or boards"):
        flexpie_tvm.FlexPiePreOptimize([A76, target], "fp16")
    flexpie_tvm.FlexPiePreOptimize([A76, target])


def test_there_are_two_precisions():
    with pytest.raises(InputError, match="precision 'bf16' is none of fp32, fp16"):
        check_precision("bf16", [])


def test_models_of_other_types_are_refused():
    x = relay.var("x", shape=(1, 4), dtype="float64")
    double = tvm.IRModule.from_expr(relay.Function([x], relay.nn.relu(x)))
    with pytest.raises(InputError, match="input 'x' is float64: fp16 is for float32 models"):
        flexpie_tvm.FlexPiePreOptimize(A76, "fp16")(double)
    y = relay.var("y", shape=(1, 4))
    steps = relay.qnn.quantize(y, relay.const(0.1), relay.const(0), out_dtype="int8")
    quantized = tvm.IRModule.from_expr(relay.Function([y], steps))
    with pytest.raises(InputError, match="the model is quantized"):
        flexpie_tvm.FlexPiePreOptimize(A76, "fp16")(quantized)


def test_a_plan_says_its_precision_and_is_for_it():
    mod = _small_network(np.random.default_rng(5))
    narrow = flexpie_tvm.FlexPiePreOptimize(A76, "fp16")(mod)
    wide = flexpie_tvm.FlexPiePreOptimize(A76)(mod)
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(2, "InH")(narrow))
    assert lowered.plan.notes["precision"] == "fp16"
    exchanged = {lowered.imported.graph.tensors[e.tensor].dtype for e in lowered.geometry.exchanges}
    assert "float16" in exchanged
    with pytest.raises(PlanError, match="the plan is for fp16, and the model computes in fp32"):
        flexpie_tvm.FlexPiePartition(plan=lowered.plan)(wide)
    flexpie_tvm.FlexPiePartition(plan=lowered.plan)(narrow)
