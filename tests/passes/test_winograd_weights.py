# SPDX-License-Identifier: Apache-2.0
"""Convolutions of ARM's boards take weights for the patch that fits their own tile."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.kernels.winograd import transform_weights
from flexpie_tvm.kernels.winograd_cost import Patch
from flexpie_tvm.passes.winograd_weights import winograd_weights

ARM = tvm.target.Target("llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72")
WINOGRAD = "nn.contrib_conv2d_winograd_without_weight_transform"


def _tile(weight: relay.Expr, rows: int, columns: int) -> tvm.IRModule:
    x = relay.var("x", shape=(1, 64, rows, columns, 4))
    y = relay.nn.contrib_conv2d_nchwc(
        x, weight, padding=(1, 1), channels=256, kernel_size=(3, 3), data_layout="NCHW4c",
        kernel_layout="OIHW4i4o", out_layout="NCHW4c",
    )  # fmt: skip
    return relay.transform.InferType()(tvm.IRModule.from_expr(y))


def _weights() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((64, 64, 3, 3, 4, 4)).astype("float32")


@pytest.mark.parametrize(
    ("rows", "columns", "patch"),
    [(14, 14, Patch(4, 4)), (3, 14, Patch(3, 2)), (14, 3, Patch(2, 3)), (7, 7, Patch(2, 2))],
)
def test_weights_are_transformed_for_the_patch_that_fits(rows, columns, patch):
    weights = _weights()
    mod = winograd_weights(_tile(relay.const(weights), rows, columns), ARM)
    body = mod["main"].body
    assert body.op.name == WINOGRAD
    np.testing.assert_array_equal(body.args[1].data.numpy(), transform_weights(weights, patch))


def test_weights_that_are_parameters_are_transformed_by_the_function():
    weights = _weights()
    weight = relay.var("w", shape=weights.shape)
    mod = winograd_weights(_tile(weight, 3, 14), ARM, ["w"])
    call = mod["main"].body
    assert call.op.name == WINOGRAD
    function = relay.Function([mod["main"].params[1]], call.args[1])
    run = relay.create_executor("graph", tvm.IRModule.from_expr(function), target="llvm")
    got = run.evaluate()(weights).numpy()
    np.testing.assert_allclose(got, transform_weights(weights, Patch(3, 2)), atol=1e-5)


def test_what_waits_for_memory_stays_direct():
    mod = winograd_weights(_tile(relay.const(_weights()), 1, 2), ARM)
    assert mod["main"].body.op.name == "nn.contrib_conv2d_NCHWc"
