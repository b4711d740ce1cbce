# SPDX-License-Identifier: Apache-2.0
"""Convolutions in register tiles of x86: which tiles, which convolutions, and what they compute."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tvm import relay, te
from tvm.contrib import graph_executor
from tvm.relay.backend import te_compiler

from flexpie_tvm.kernels.blocked_conv import blocked_conv, conv_shape, schedule_blocked_conv
from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.register_tile import ConvShape
from flexpie_tvm.kernels.spread_tile import spread_tiles, takes_convolution
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.machine import AVX, AVX2, AVX512, NEON

from .blocked import blocked, compiled, convolved, fused, packed, plain, result

HASWELL, SERVER = (f"llvm -mcpu={name}" for name in ("core-avx2", "skylake-avx512"))
OURS, TVMS = "flexpie_blocked_conv", "conv2d_NCHWc.x86"


@given(
    unit=st.sampled_from([AVX2, AVX512]),
    blocks=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    window=st.sampled_from([(1, 1), (3, 3), (1, 7)]),
)
def test_sums_and_what_they_share_fit_the_registers(unit, blocks, size, window):
    shape = ConvShape(blocks[0], unit.lanes, *size, blocks[1], unit.lanes, window)
    found = spread_tiles(shape, unit)
    assert found
    for tile in found:
        assert shape.blocks % tile.vectors == 0
        assert shape.rows % tile.rows == 0
        pixels = tile.rows * tile.columns
        shared = pixels if tile.vectors > 1 else 1
        assert tile.sums + shared + 1 <= unit.registers


def test_a_vector_by_many_pixels_with_avx512_and_several_vectors_with_avx2():
    def best(unit):
        lanes = unit.lanes
        tile = spread_tiles(ConvShape(512 // lanes, lanes, 14, 14, 512 // lanes, lanes), unit)[0]
        return tile.vectors, tile.rows, tile.columns

    assert best(AVX512) == (1, 1, 14)
    assert best(AVX2) == (4, 1, 3)


def test_it_takes_what_tvms_kernels_leave_slow():
    def taken(unit, window, block=None):
        shape = ConvShape(8, block or unit.lanes, 14, 14, 8, unit.lanes, window)
        return takes_convolution(shape, unit)

    for unit, window in ((AVX2, (1, 1)), (AVX2, (3, 3)), (AVX512, (1, 1))):
        assert taken(unit, window)
    assert not taken(AVX512, (3, 3))
    assert not taken(AVX512, (1, 1), block=10)  # part of a vector
    for unit in (AVX, NEON):
        assert not taken(unit, (1, 1))


def _call(channels, filters, size, window, lanes, strides=(1, 1), padding=(0, 0, 0, 0)):
    ic, oc = min(channels, lanes), min(filters, lanes)
    x = relay.var("x", shape=(1, channels // ic, *size, ic))
    w = relay.var("w", shape=(filters // oc, channels // ic, *window, ic, oc))
    return relay.nn.contrib_conv2d_nchwc(
        x, w, strides, padding, (1, 1), 1, filters, window, f"NCHW{ic}c", f"OIHW{ic}i{oc}o",
        f"NCHW{oc}c",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("target", "lanes", "window", "filters", "implementation"),
    [
        (HASWELL, 8, (3, 3), 64, OURS),
        (HASWELL, 8, (3, 3), 7, TVMS),
        (SERVER, 16, (1, 1), 64, OURS),
        (SERVER, 16, (3, 3), 64, TVMS),
        ("llvm -mcpu=nehalem", 4, (1, 1), 64, TVMS),
    ],
)
def test_which_implementation_is_taken(target, lanes, window, filters, implementation):
    call = _call(32, filters, (14, 14), window, lanes)
    call = relay.transform.InferType()(tvm.IRModule.from_expr(call))["main"].body
    inputs = [te.placeholder(a.checked_type.shape, a.checked_type.dtype) for a in call.args]
    with keyed(target), build_context(True):
        found, _ = te_compiler.select_implementation(
            call.op, call.attrs, inputs, call.checked_type, keyed(target), use_autotvm=False
        )
    assert found.name.removesuffix(".flexpie") == implementation


@given(
    channels=st.sampled_from([3, 8, 16, 24]),
    filters=st.sampled_from([8, 32, 40]),
    size=st.tuples(st.integers(5, 19), st.integers(5, 33)),
    window=st.sampled_from([(1, 1), (3, 3), (5, 2)]),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.integers(0, 2)] * 4),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_convolution_of_any_size_is_numpys(
    channels, filters, size, window, strides, padding, seed
):
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((1, channels, *size)).astype("float32")
    weights = rng.standard_normal((filters, channels, *window)).astype("float32")
    call = _call(channels, filters, size, window, 8, strides, padding)
    mod = tvm.IRModule.from_expr(relay.nn.relu(call))
    target = tvm.target.Target(HASWELL)
    with build_context(True):
        library = relay.build(mod, keyed(target))
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    graph.set_input("x", blocked(image, min(channels, 8)))
    graph.set_input("w", packed(weights, min(channels, 8), 8))
    graph.run()
    expected = np.maximum(convolved(image, weights, strides, padding), 0)
    got = plain(graph.get_output(0).numpy())
    assert np.abs(got - expected).max() <= 1e-5 * np.ptp(expected)


@pytest.mark.parametrize("size", [(14, 15), (7, 7), (2, 3)])
def test_pixels_in_vectors_of_avx512_are_numpys(size):
    rng = np.random.default_rng(1)
    image = rng.standard_normal((1, 32, *size)).astype("float32")
    weights = rng.standard_normal((64, 32, 1, 1)).astype("float32")
    bias = rng.standard_normal((1, 64, 1, 1)).astype("float32")
    arrays = blocked(image, 16), packed(weights, 16, 16), blocked(bias, 16)
    data, kernel, add = (te.placeholder(v.shape, name=f"p{k}") for k, v in enumerate(arrays))
    conv = blocked_conv(data, kernel, (1, 1), (0, 0, 0, 0), (1, 1))
    out = fused(conv, add)
    tile = spread_tiles(conv_shape(conv.op), AVX512)[0]
    schedule = schedule_blocked_conv([out], AVX512.registers, 1, 0, (tile, 1))
    # any machine runs the code of its own least features, whatever the vectors' width
    got = plain(result(compiled(schedule, [data, kernel, add, out]), arrays, out.shape))
    expected = np.maximum(convolved(image, weights, (1, 1), (0, 0, 0, 0)) + bias, 0)
    assert np.abs(got - expected).max() <= 1e-5 * np.ptp(expected)
