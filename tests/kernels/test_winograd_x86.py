# SPDX-License-Identifier: Apache-2.0
"""Winograd's filtering in the vectors of AVX2 and AVX-512, and where models take it."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import tvm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import relay, te
from tvm.contrib import graph_executor

import flexpie_tvm
from flexpie_tvm.codegen.build import build_boards, build_kernels
from flexpie_tvm.codegen.merge import input_name
from flexpie_tvm.kernels.register_tile import ConvShape
from flexpie_tvm.kernels.winograd import schedule_winograd, transform_weights, winograd_conv
from flexpie_tvm.kernels.winograd_cost import SQUARE, best_patch
from flexpie_tvm.machine import AVX, AVX2, AVX512
from flexpie_tvm.relay.lower import lower

from .blocked import blocked, compiled, convolved, fused, packed, plain, result

HASWELL, SERVER, OLD = (f"llvm -mcpu={name}" for name in ("core-avx2", "skylake-avx512", "nehalem"))
WINOGRAD, DIRECT = "conv2d_winograd_without_weight_transform", "conv2d_NCHWc"


def _scheduled(channels, size, padding, unit):
    inputs, outputs = channels
    lanes = unit.lanes
    data = te.placeholder((1, inputs // lanes, *size, lanes), name="x")
    weight = te.placeholder((6, 6, outputs // lanes, inputs // lanes, lanes, lanes), name="u")
    add = te.placeholder((1, outputs // lanes, 1, 1, lanes), name="b")
    out = fused(winograd_conv(data, weight, padding), add)
    schedule = schedule_winograd([out], unit.registers, unit.read_lanes, sys.maxsize)
    return schedule, [data, weight, add, out]


@given(
    unit=st.sampled_from([AVX2, AVX512]),
    blocks=st.tuples(st.integers(1, 3), st.integers(1, 5)),
    size=st.tuples(st.integers(3, 27), st.integers(3, 27)),
    padding=st.tuples(*[st.integers(0, 1)] * 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_size_is_a_direct_convolution(unit, blocks, size, padding, seed):
    rng = np.random.default_rng(seed)
    lanes = unit.lanes
    inputs, outputs = (n * lanes for n in blocks)
    image = rng.standard_normal((1, inputs, *size)).astype("float32")
    weights = rng.standard_normal((outputs, inputs, 3, 3)).astype("float32")
    bias = rng.standard_normal((1, outputs, 1, 1)).astype("float32")
    # any machine runs the code of its own least features, whatever the vectors' width
    schedule, tensors = _scheduled((inputs, outputs), size, padding, unit)
    arrays = (
        blocked(image, lanes), transform_weights(packed(weights, lanes, lanes)),
        blocked(bias, lanes),
    )  # fmt: skip
    got = plain(result(compiled(schedule, tensors), arrays, tensors[-1].shape))
    expected = np.maximum(convolved(image, weights, (1, 1), padding) + bias, 0)
    assert np.abs(got - expected).max() <= 1e-5 * np.ptp(expected)


@pytest.mark.parametrize(
    ("target", "unit", "register"), [(HASWELL, AVX2, "ymm"), (SERVER, AVX512, "zmm")]
)
def test_products_are_of_whole_vectors_and_spread_numbers(target, unit, register):
    schedule, tensors = _scheduled((4 * unit.lanes, 4 * unit.lanes), (32, 32), (1, 1, 1, 1), unit)
    with tvm.target.Target(target):
        assembly = compiled(schedule, tensors, target).get_source("asm")
    products = len(re.findall(rf"\bvfmadd\w+ps\b.*%{register}\d+", assembly))
    # a tile has eight sums at least, and the channels of a block are taken apart
    assert products >= 8 * unit.lanes
    assert "vpermps" not in assembly  # numbers are spread as they are read, not from registers


def _conv3x3(channels: int, size: int, lanes: int) -> ConvShape:
    return ConvShape(channels // lanes, lanes, size, size, channels // lanes, lanes, (3, 3))


@pytest.mark.parametrize("unit", [AVX2, AVX512])
def test_it_pays_on_large_images_but_not_where_there_is_little_to_do(unit):
    for channels, size in ((64, 56), (128, 28), (256, 14), (64, 224)):
        assert best_patch(_conv3x3(channels, size, unit.lanes), unit, 0) == SQUARE
    for channels, size in ((16, 8), (64, 4), (384, 6), (16, 13)):
        assert best_patch(_conv3x3(channels, size, unit.lanes), unit, 0) is None


def test_it_does_not_pay_in_parts_of_vectors_nor_without_fused_products():
    assert best_patch(_conv3x3(128, 28, 4), AVX512, 0) is None
    assert best_patch(_conv3x3(128, 28, AVX.lanes), AVX, 0) is None


@pytest.fixture(scope="module")
def network():
    """A convolution that pays, and one behind it that does not; what they compute of an image."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 32, 29, 30)).astype("float32")
    large = rng.normal(0, 0.1, (48, 32, 3, 3)).astype("float32")
    small = rng.normal(0, 0.1, (16, 48, 3, 3)).astype("float32")
    x = relay.var("x", shape=image.shape)
    y = relay.nn.relu(_convolution(x, large, 1))
    y = _convolution(relay.nn.max_pool2d(y, (4, 4), (4, 4)), small, 1)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))
    inner = np.maximum(convolved(image, large, (1, 1), (1, 1, 1, 1)), 0)[..., :28, :28]
    pooled = inner.reshape(1, 48, 7, 4, 7, 4).max((3, 5))
    return mod, image, convolved(pooled, small, (1, 1), (1, 1, 1, 1))


def _convolution(x, weights, padding):
    return relay.nn.conv2d(
        x, relay.const(weights), padding=padding, channels=len(weights), kernel_size=(3, 3)
    )


def _boards(mod, target, boards=1, scheme="Single"):
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    return lower(flexpie_tvm.FlexPiePartition(boards, scheme)(optimized)).boards


@pytest.mark.parametrize(
    ("target", "taken"), [(HASWELL, {WINOGRAD, DIRECT}), (SERVER, {WINOGRAD, DIRECT}),
                          (OLD, {DIRECT})]
)  # fmt: skip
def test_models_take_it_where_it_pays(network, target, taken, tmp_path):
    boards, target = _boards(network[0], target), tvm.target.Target(target)
    (graph,) = build_kernels(boards, target, tmp_path / "kernels.so")
    kernels = " ".join(graph.kernels)
    assert {name for name in (WINOGRAD, DIRECT) if name in kernels} == taken


def test_a_models_answers_are_those_of_direct_convolutions(network, tmp_path):
    mod, image, expected = network
    target = tvm.target.Target(f"llvm -mcpu={tvm.target.codegen.llvm_get_system_cpu()}")
    (path,) = build_boards(_boards(mod, target), [target], tmp_path, [None])
    library = tvm.runtime.load_module(str(path))
    assert WINOGRAD in library["get_graph_json"]()
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    graph.set_input(input_name(0), image)
    graph.run()
    got = graph.get_output(0).numpy()
    assert np.abs(got - expected).max() <= 1e-5 * np.ptp(expected)
