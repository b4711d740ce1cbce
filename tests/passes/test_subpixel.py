# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions whose windows just meet become 1x1 convolutions; others stay."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.passes.subpixel import subpixel_convolutions
from flexpie_tvm.relay import read_plan
from flexpie_tvm.relay.rewrite import post_order
from flexpie_tvm.runtime import run_whole
from flexpie_tvm.testing import emulate


def net(window=2, stride=2, groups=1, constant=True, **attrs) -> tvm.IRModule:
    """A transposed convolution of 6 channels to 4, with a bias and a relu behind it."""
    rng = np.random.default_rng(1)
    shape = (6, 4 // groups, window, window)
    value = relay.const(rng.normal(size=shape).astype("float32"))
    x, weight = relay.var("x", shape=(2, 6, 5, 7)), relay.var("w", shape=shape)
    y = relay.nn.conv2d_transpose(
        x, value if constant else weight, channels=4, kernel_size=(window, window),
        strides=(stride, stride), groups=groups, **attrs,
    )  # fmt: skip
    y = relay.nn.bias_add(y, relay.const(rng.normal(size=4).astype("float32")))
    body = relay.nn.relu(y)
    return tvm.IRModule.from_expr(relay.Function(relay.analysis.free_vars(body), body))


def op_names(mod: tvm.IRModule) -> list[str]:
    return [n.op.name for n in post_order(mod["main"].body) if isinstance(n, relay.Call)]


@pytest.mark.parametrize("window", [2, 3])
def test_windows_that_just_meet_are_a_1x1_convolution_and_a_shuffle(window, target):
    mod = net(window, window)
    done = subpixel_convolutions(mod)
    assert op_names(done) == ["nn.conv2d", "nn.depth_to_space", "nn.bias_add", "nn.relu"]
    data = {"x": np.random.default_rng(2).normal(size=(2, 6, 5, 7)).astype("float32")}
    expected, answer = run_whole(mod, target, data)[0], run_whole(done, target, data)[0]
    np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "attrs",
    [
        {"window": 3},
        {"window": 1, "stride": 1},
        {"stride": 1},
        {"padding": (1, 1)},
        {"output_padding": (1, 1)},
        {"groups": 2},
        {"constant": False},
    ],
    ids=str,
)
def test_others_stay(attrs):
    mod = relay.transform.InferType()(net(**attrs))
    tvm.ir.assert_structural_equal(subpixel_convolutions(mod), mod)


def test_preoptimized_it_is_cut_by_rows_and_channels(target):
    mod = flexpie_tvm.FlexPiePreOptimize(target)(net())
    assert "nn.conv2d_transpose" not in op_names(mod)
    data = {"x": np.random.default_rng(2).normal(size=(2, 6, 5, 7)).astype("float32")}
    expected = run_whole(net(), target, data)[0]
    for scheme in ("InH", "OutC", "2D-grid"):
        annotated = flexpie_tvm.FlexPiePartition(4, scheme)(mod)
        answer = emulate(read_plan(annotated).plan, mod, data)[0]
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)
