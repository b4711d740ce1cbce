# SPDX-License-Identifier: Apache-2.0
"""Kernels over extents that have no good divisor: same answers, larger steps."""

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relay, te
from tvm.autotvm.task.space import FallbackConfigEntity
from tvm.contrib import graph_executor
from tvm.topi.nn.conv2d import Workload
from tvm.topi.x86 import (
    conv2d_avx_1x1,
    conv2d_avx_common,
    dense,
    dense_alter_op,
    depthwise_conv2d,
    group_conv2d,
)

from flexpie_tvm.graph.steps import (
    MOST_DEPTHWISE,
    column_block,
    convolution_step,
    equal_step,
    most_rows,
    padded_columns,
    pointwise_step,
)
from flexpie_tvm.relay import FlexPiePreOptimize
from flexpie_tvm.relay.build import build_context
from flexpie_tvm.relay.free_steps import free_steps


@given(st.integers(1, 10_000), st.integers(1, 40))
def test_steps_cover_the_whole_and_the_last_is_not_wasted(extent, most):
    step = equal_step(extent, most)
    chunks = -(-extent // step)
    assert 1 <= step <= most
    assert (chunks - 1) * step < extent <= chunks * step


@pytest.mark.parametrize(("columns", "step"), [(36, 18), (37, 19), (74, 25), (28, 28), (5, 5)])
def test_only_widths_without_a_good_divisor_get_another_step(columns, step, target):
    workload = _workload(columns)
    for module, groups in ((conv2d_avx_common, 1), (group_conv2d, 4)):
        with tvm.target.Target(target), free_steps():
            config = FallbackConfigEntity()
            module._fallback_schedule(config, workload._replace(groups=groups))
        assert config["tile_ow"].size[-1] == step


@pytest.mark.parametrize("columns", [1, 6, 14, 17, 31, 33, 37, 58, 74, 224])
@pytest.mark.parametrize("rows", [1, 5, 14, 37])
def test_cost_models_see_the_steps_that_schedules_take(rows, columns, target):
    steps = {}
    for module in (conv2d_avx_common, conv2d_avx_1x1):
        with tvm.target.Target(target), free_steps():
            config = FallbackConfigEntity()
            kernel = 3 if module is conv2d_avx_common else 1
            workload = _workload(columns, rows, kernel)
            module._fallback_schedule(config, workload)
        steps[kernel] = config["tile_ow"].size[-1]
    assert steps[3] == convolution_step(columns)
    assert (config["tile_oh"].val, steps[1]) == pointwise_step(rows, columns)


@pytest.mark.parametrize(("columns", "step"), [(7, 7), (13, 7), (28, 10), (37, 10), (12, 12)])
@pytest.mark.parametrize("padding", [(1, 1, 1, 1), (1, 1, 0, 1), (0, 1, 0, 1)], ids=str)
def test_a_step_of_a_depthwise_convolution_is_short(columns, step, padding, target):
    """Also of a tile that is not padded below, where TVM counts fewer columns."""
    data = te.placeholder((1, 2, 9, columns, 16))
    kernel = te.placeholder((2, 1, 3, 3, 1, 16))
    with tvm.target.Target(target), free_steps():
        config = FallbackConfigEntity()
        depthwise_conv2d.depthwise_conv2d_NCHWc.__wrapped__(
            config, data, kernel, 1, padding, 1, "NCHW16c", "NCHW16c", "float32"
        )
    assert config["tile_ow"].size[-1] == step <= MOST_DEPTHWISE


@pytest.mark.parametrize(
    ("columns", "lanes", "block", "rows"),
    [
        (768, 16, 32, 8),
        (768, 8, 16, 6),
        (1000, 16, 10, 8),
        (144, 16, 16, 8),
        (17, 16, 17, 1),
        (257, 16, 1, 8),
    ],
)
def test_blocks_of_a_matrix_product_are_whole_vectors_or_part_of_one(columns, lanes, block, rows):
    assert column_block(columns, lanes) == block
    assert most_rows(block, lanes) == rows


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
    with tvm.target.Target("llvm -mcpu=skylake-avx512"), free_steps():
        config = FallbackConfigEntity()
        dense._default_dense_pack_config(config, rows, 768, 64)
    outer, middle, inner = config["tile_y"].size
    assert inner == step
    assert rows <= outer * middle * inner < rows + step
    assert config["tile_x"].size[-1] == 32


def test_a_step_of_a_1x1_convolution_fits_the_registers(target):
    """3 x 53 outputs: TVM takes 3 rows of one column."""
    workload = _workload(53)._replace(
        height=3, kernel_h=1, kernel_w=1, padt=0, padl=0, padb=0, padr=0
    )
    with tvm.target.Target(target), free_steps():
        config = FallbackConfigEntity()
        conv2d_avx_1x1._fallback_schedule(config, workload)
    assert (config["tile_oh"].val, config["tile_ow"].size[-1]) == (1, 27)


def test_tvm_is_left_as_it_was():
    def replaced():
        convolutions = conv2d_avx_common, conv2d_avx_1x1, group_conv2d, depthwise_conv2d
        products = dense, dense_alter_op
        return [
            *(module._fallback_schedule for module in convolutions),
            *(module._default_dense_pack_config for module in products),
        ]

    before = replaced()
    with free_steps():
        assert not set(before) & set(replaced())
    assert replaced() == before


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
        library = relay.build(mod, stock)
    np.testing.assert_allclose(_answer(library, value), expected, rtol=1e-5, atol=1e-5)


def _answer(library, value: np.ndarray) -> np.ndarray:
    module = graph_executor.GraphModule(library["default"](tvm.cpu()))
    module.run(x=value)
    return module.get_output(0).numpy()


def _workload(columns: int, rows: int = 10, kernel: int = 3):
    """A convolution of 16 channels that gives so many columns."""
    padding = kernel // 2
    return Workload(
        "float32", "float32", rows, columns, 16, 1, 16, kernel, kernel, *[padding] * 4, 1, 1, 1, 1
    )
