# SPDX-License-Identifier: Apache-2.0
"""Kernels over extents that have no good divisor: same answers, larger steps."""

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay
from tvm.contrib import graph_executor

from flexpie_tvm.graph.steps import (
    MOST_DEPTHWISE,
    column_block,
    convolution_step,
    equal_step,
    most_rows,
    padded_columns,
    pointwise_step,
)
from flexpie_tvm.kernels.configs import OwnConfigs
from flexpie_tvm.kernels.context import build_context, stock_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine import AVX2, AVX512, NEON
from flexpie_tvm.passes import FlexPiePreOptimize


@given(st.integers(1, 10_000), st.integers(1, 40))
def test_steps_cover_the_whole_and_the_last_is_not_wasted(extent, most):
    step = equal_step(extent, most)
    chunks = -(-extent // step)
    assert 1 <= step <= most
    assert (chunks - 1) * step < extent <= chunks * step


@pytest.mark.parametrize(("columns", "step"), [(36, 18), (37, 19), (74, 25), (28, 28), (5, 5)])
def test_only_widths_without_a_good_divisor_get_another_step(columns, step, target):
    for workload in (_convolution(columns), _grouped(columns)):
        assert _config(workload, target)["tile_ow"].size[-1] == step


@pytest.mark.parametrize("columns", [1, 6, 14, 17, 31, 33, 37, 58, 74, 224])
@pytest.mark.parametrize("rows", [1, 5, 14, 37])
def test_cost_models_see_the_steps_that_schedules_take(rows, columns, target):
    config = _config(_convolution(columns, rows), target)
    assert config["tile_ow"].size[-1] == convolution_step(columns)
    config = _config(_convolution(columns, rows, kernel=1), target)
    assert (config["tile_oh"].val, config["tile_ow"].size[-1]) == pointwise_step(rows, columns)


@pytest.mark.parametrize("columns", [7, 14, 16, 28, 31, 56, 60])
@pytest.mark.parametrize("kernel", [1, 3])
def test_widths_with_good_divisors_have_the_steps_of_tvm(kernel, columns):
    """What TVM chooses itself, when its own template asks nobody."""
    x = relay.var("x", shape=(1, 2, 6, columns, 8))
    w = relay.var("w", shape=(2, 2, kernel, kernel, 8, 8))
    conv = relay.nn.contrib_conv2d_nchwc(
        x, w, padding=kernel // 2, channels=16, kernel_size=(kernel, kernel),
        data_layout="NCHW8c", kernel_layout="OIHW8i8o", out_layout="NCHW8c",
    )  # fmt: skip
    mod = tvm.IRModule.from_expr(conv)
    with build_context(laid_out=True):
        ours = relay.build(mod, keyed("llvm -mcpu=ivybridge"))
    with build_context(laid_out=True), stock_context():
        theirs = relay.build(mod, "llvm -mcpu=ivybridge")
    assert _code(ours) == _code(theirs)


@pytest.mark.parametrize(("columns", "step"), [(7, 7), (13, 7), (28, 10), (37, 10), (12, 12)])
@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (1, 1, 0, 1), (0, 1, 0, 1)], ids=str)
def test_a_step_of_a_depthwise_convolution_is_short(columns, step, padding, target):
    """Also of a tile that is not padded below, where TVM counts fewer columns."""
    data, kernel = _tensor(1, 2, 9, columns, 16), _tensor(2, 1, 3, 3, 1, 16)
    layout = "NCHW16c"
    workload = (
        "depthwise_conv2d_NCHWc.x86", data, kernel, (1, 1), padding, (1, 1), layout, layout,
        "float32",
    )  # fmt: skip
    assert _config(workload, target)["tile_ow"].size[-1] == step <= MOST_DEPTHWISE


@pytest.mark.parametrize(
    ("columns", "unit", "block", "rows"),
    [
        (768, AVX512, 32, 8),
        (768, AVX2, 16, 6),
        (768, NEON, 8, 8),
        (1000, AVX512, 10, 8),
        (144, AVX512, 16, 8),
        (17, AVX512, 17, 1),
        (257, AVX512, 1, 8),
    ],
)
def test_blocks_of_a_matrix_product_are_whole_vectors_or_part_of_one(columns, unit, block, rows):
    assert column_block(columns, unit.lanes) == block
    assert most_rows(block, unit) == rows


@pytest.mark.parametrize(
    ("columns", "lanes", "padded"),
    [
        (1366, 16, 1376),
        (1000, 16, 1008),
        (768, 16, 768),
        (30, 16, 30),
        (45, 16, 45),
        (17, 16, 32),
        (16, 16, 16),
        (13, 16, 13),
        (1, 16, 1),
        (13, 8, 16),
        (257, 8, 264),
    ],
)
def test_columns_are_added_where_vectors_are_fewer_than_blocks(columns, lanes, padded):
    assert padded_columns(columns, lanes) == padded


@pytest.mark.parametrize(("rows", "step"), [(1, 1), (7, 7), (31, 8), (197, 8), (13, 7), (64, 8)])
def test_rows_of_a_matrix_product_need_no_divisor(rows, step):
    config = _config(_product(rows), "llvm -mcpu=skylake-avx512")
    outer, middle, inner = config["tile_y"].size
    assert inner == step
    assert rows <= outer * middle * inner < rows + step
    assert config["tile_x"].size[-1] == 32


def test_a_library_for_matrix_products_stays_the_first_choice():
    assert _config(_product(7), "llvm -mcpu=skylake-avx512 -libs=cblas").is_fallback
    assert not _config(_product(7), "llvm -mcpu=skylake-avx512").is_fallback


def test_a_step_of_a_1x1_convolution_fits_the_registers(target):
    """3 x 53 outputs: TVM takes 3 rows of one column."""
    config = _config(_convolution(53, rows=3, kernel=1), target)
    assert (config["tile_oh"].val, config["tile_ow"].size[-1]) == (1, 27)


def test_other_templates_are_left_to_tvm(target):
    workload = ("conv2d_NCHWc_int8.x86", *_convolution(37)[1:])
    assert _config(workload, target).is_fallback
    with stock_context():
        context = tvm.autotvm.task.DispatchContext.current
        assert context.query(tvm.target.Target(target), _convolution(37)).is_fallback


@pytest.mark.parametrize(
    ("kernel", "rows", "groups"), [(3, 4, 1), (1, 37, 1), (3, 4, 16), (3, 4, 4), (5, 3, 2)]
)
def test_answers_of_convolutions_stay_the_same(kernel, rows, groups, target):
    rng = np.random.default_rng(kernel)
    data = relay.var("x", shape=(1, 16, rows, 37))
    weight = relay.const(rng.normal(size=(16, 16 // groups, kernel, kernel)).astype("float32"))
    conv = relay.nn.conv2d(
        data,
        weight,
        padding=kernel // 2,
        channels=16,
        kernel_size=(kernel, kernel),
        groups=groups,
    )
    image = rng.normal(size=(1, 16, rows, 37)).astype("float32")
    _same_answers(relay.Function([data], conv), image, target)


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 64), (13, 64), (31, 50), (67, 96), (9, 17), (5, 1), (16, 1000)]
)
def test_answers_of_matrix_products_stay_the_same(rows, columns, target):
    rng = np.random.default_rng(rows)
    data = relay.var("x", shape=(rows, 24))
    weight = relay.const(rng.normal(size=(columns, 24)).astype("float32"))
    bias = relay.const(rng.normal(size=columns).astype("float32"))
    product = relay.nn.relu(relay.nn.dense(data, weight) + bias)
    numbers = rng.normal(size=(rows, 24)).astype("float32")
    _same_answers(relay.Function([data], product), numbers, target)


def _same_answers(function: relay.Function, value: np.ndarray, target: str) -> None:
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(function))
    stock = tvm.target.Target(target)
    with tvm.transform.PassContext(3, config={"tir.disable_cse_tir": True}):
        expected = _answer(relay.build(mod, stock), value)
    mod = FlexPiePreOptimize(stock)(mod)
    with build_context(laid_out=True):
        library = relay.build(mod, keyed(stock))
    np.testing.assert_allclose(_answer(library, value), expected, rtol=1e-5, atol=1e-5)


def _answer(library, value: np.ndarray) -> np.ndarray:
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.run(x=value)
    return module.get_output(0).numpy()


def _code(factory) -> list[str]:
    """Assembly without the names of targets."""
    lines = factory.lib.get_source("asm").splitlines()
    return [line for line in lines if "flexpie" not in line]


def _config(workload: tuple, target: str):
    """What a template gets that asks with such a workload."""
    with OwnConfigs() as context:
        return context.query(keyed(target), workload)


def _tensor(*shape: int) -> tuple:
    return "TENSOR", shape, "float32"


def _convolution(columns: int, rows: int = 10, kernel: int = 3) -> tuple:
    """A convolution of 16 channels that gives so many columns."""
    data, weight = _tensor(1, 2, rows, columns, 8), _tensor(2, 2, kernel, kernel, 8, 8)
    padding = (kernel // 2,) * 4
    layout = "NCHW8c"
    return (
        "conv2d_NCHWc.x86", data, weight, (1, 1), padding, (1, 1), layout, layout, "float32"
    )  # fmt: skip


def _grouped(columns: int) -> tuple:
    data, weight = _tensor(1, 16, 10, columns), _tensor(16, 4, 3, 3)
    return (
        "group_conv2d_nchw.x86", data, weight, (1, 1), (1, 1, 1, 1), (1, 1), 4, "float32"
    )  # fmt: skip


def _product(rows: int) -> tuple:
    return "dense_pack.x86", _tensor(rows, 64), _tensor(24, 64, 32), None, "float32"
