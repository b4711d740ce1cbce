# SPDX-License-Identifier: Apache-2.0
"""Which kernels are tuned, with which candidates, and what a configuration does to them."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import autotvm, relay

import flexpie_tvm
from flexpie_tvm.kernels.candidates import conv_candidates, dense_candidates
from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.packed_dense import dense_tile
from flexpie_tvm.kernels.register_tile import ConvShape, cache_blocks, register_tile
from flexpie_tvm.kernels.target import cache_of, keyed, name_of
from flexpie_tvm.kernels.templates import (
    CONV_TEMPLATE,
    DENSE_TEMPLATE,
    DEPTHWISE_TEMPLATE,
    WINOGRAD_TEMPLATE,
)
from flexpie_tvm.lab.tuning import candidates, extract_tasks
from flexpie_tvm.machine import NEON

from .conftest import ARM

REGISTERS, LANES, CACHE = NEON.registers, NEON.lanes, cache_of(tvm.target.Target(ARM))


@pytest.fixture(scope="module")
def tasks(blocked):
    """Kernels of the blocked net, its rows cut over two boards."""
    return extract_tasks(flexpie_tvm.FlexPiePartition(2, "InH")(blocked), ARM)


def test_tasks_have_the_shapes_of_the_boards_tiles(tasks):
    """Six rows each and one of the neighbour's, padded above or below."""
    found = {(task.name, task.args[0][1], tuple(task.args[3])) for task in tasks}
    paddings = (1, 1, 0, 1), (0, 1, 1, 1)
    assert found == {
        *((CONV_TEMPLATE, (1, 2, 7, 10, 4), padding) for padding in paddings),
        *((DEPTHWISE_TEMPLATE, (1, 4, 7, 10, 4), padding) for padding in paddings),
    }
    assert [task.name for task in tasks] == [CONV_TEMPLATE] * 2 + [DEPTHWISE_TEMPLATE] * 2


def test_a_lowered_module_gives_the_same(tasks, blocked):
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(2, "InH")(blocked))
    again = extract_tasks(lowered, [ARM, ARM])
    assert {task.workload for task in again} == {task.workload for task in tasks}


def test_the_first_candidate_is_the_predicted_one(tasks):
    shape = ConvShape(4, 4, 6, 10, 2, 4, (3, 3))
    tile = register_tile(shape, REGISTERS, LANES)
    wanted = [tile.vectors, tile.rows, tile.columns, cache_blocks(shape, tile, CACHE)]
    given = candidates(tasks[0])
    assert list(given[0]["tile"].val) == wanted
    assert len(given) == len({tuple(config["tile"].val) for config in given}) > 4


@pytest.mark.parametrize("rows", [7, 56])
def test_candidates_are_numbers_that_fit(rows):
    shape = ConvShape(16, 4, rows, 56, 16, 4, (3, 3))
    given = conv_candidates(shape, REGISTERS, LANES, CACHE)
    assert len(set(given)) == len(given)
    for vectors, high, wide, blocks in given:
        assert shape.blocks % vectors == rows % high == 0
        assert vectors * high * wide < REGISTERS
        assert 1 <= wide <= 56
        assert 1 <= blocks <= rows // high
    tile = dense_tile(rows, 128, 8, REGISTERS, LANES)
    assert dense_candidates(rows, 128, 8, REGISTERS, LANES)[0] == (tile.rows, tile.blocks, 8)


def test_a_configuration_decides_the_tile(tasks):
    """As many vectors of sums are kept at once as the knob says."""
    task = tasks[0]
    for config in candidates(task)[:3]:
        vectors, rows, columns, _ = config["tile"].val
        with task.target:
            schedule, args = task.instantiate(config)
            text = str(tvm.lower(schedule, args, simple_mode=True))
        assert f'T.allocate([{vectors * rows * columns}], "float32x4"' in text, text


def test_winograds_products_and_packed_weights_are_tuned_too():
    rng = np.random.default_rng(0)
    x = relay.var("x", shape=(1, 64, 28, 28))
    filters, weights = (
        relay.const(rng.normal(size=shape).astype("float32"))
        for shape in ((64, 64, 3, 3), (100, 64))
    )
    y = relay.nn.conv2d(x, filters, padding=(1, 1), channels=64, kernel_size=(3, 3))
    y = relay.nn.dense(relay.nn.batch_flatten(relay.nn.global_avg_pool2d(y)), weights)
    module = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))
    module = flexpie_tvm.FlexPiePreOptimize(ARM)(module)
    found = extract_tasks(flexpie_tvm.FlexPiePartition(1, "Single")(module), ARM)
    assert [task.name for task in found] == [WINOGRAD_TEMPLATE, DENSE_TEMPLATE]
    for task in found:
        assert len(candidates(task)) > 1
    vectors, rows, columns = candidates(found[0])[1]["tile"].val
    with found[0].target:
        text = str(tvm.lower(*found[0].instantiate(candidates(found[0])[1]), simple_mode=True))
    assert f'T.allocate([{vectors * rows * columns}], "float32x4"' in text


def test_measured_configurations_come_before_predicted_ones(tasks):
    task = tasks[0]
    other = candidates(task)[2]
    own = keyed(ARM)
    for measured, wanted in (({(name_of(own), task.workload): other}, other), ({}, None)):
        with build_context(True, measured=measured), own:
            found = autotvm.task.DispatchContext.current.query(own, task.workload)
        assert (found is other) == (wanted is other)


def test_tvms_own_tuners_take_the_tasks(tasks):
    tuner = autotvm.tuner.GridSearchTuner(tasks[0])
    first, second = tuner.next_batch(2)
    assert [first["tile"].val, second["tile"].val] == [
        config["tile"].val for config in candidates(tasks[0])[:2]
    ]


def test_steps_of_x86_convolutions_are_candidates(small_onnx):
    target = "llvm -mcpu=skylake-avx512"
    whole = flexpie_tvm.load_onnx(small_onnx, {"image": (1, 3, 16, 16)})
    annotated = flexpie_tvm.FlexPiePartition(2, "InW")(
        flexpie_tvm.FlexPiePreOptimize(target)(whole)
    )
    task = next(t for t in extract_tasks(annotated, target) if t.name == "conv2d_NCHWc.x86")
    steps = [config["tile_ow"].size for config in candidates(task)]
    columns = steps[0][0] * steps[0][1]
    assert len(steps) > 1
    assert len({tuple(step) for step in steps}) == len(steps)
    assert all((turns - 1) * step < columns <= turns * step for turns, step in steps)
