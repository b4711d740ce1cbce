# SPDX-License-Identifier: Apache-2.0
"""Tiles of quantized operators equal slices of the whole, exactly."""

import numpy as np
import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call

SCALE, ZERO = relay.const(0.05), relay.const(3)


def data(name="x", shape=(1, 6, 5, 4), dtype="int8"):
    return relay.var(name, shape=shape, dtype=dtype)


def scales(size):
    return relay.const(np.linspace(0.01, 0.05, size).astype("float32"))


def zeros(size):
    return relay.const(np.arange(size).astype("int32") - 2)


@pytest.mark.parametrize(("axis", "scale", "zero"), [(1, SCALE, ZERO), (1, scales(6), zeros(6))])
def test_quantize_and_back(axis, scale, zero):
    x = data(dtype="float32")
    check_call(relay.qnn.quantize(x, scale, zero, axis=axis, out_dtype="int8"))
    check_call(relay.qnn.dequantize(data(), scale, zero, axis=axis))


@pytest.mark.parametrize("scale", [SCALE, scales(6)])
def test_requantize(scale):
    x = data(dtype="int32")
    zero = relay.const(0)
    expr = relay.qnn.requantize(x, scale, zero, SCALE, ZERO, axis=1, out_dtype="int8")
    check_call(expr, feeds={"x": np.random.default_rng(0).integers(-99, 99, (1, 6, 5, 4), "int32")})


@pytest.mark.parametrize("kernel_scale", [SCALE, scales(4)])
@pytest.mark.parametrize(
    "attrs", [{"padding": (1, 1)}, {"padding": (0, 1, 2, 1), "strides": (2, 1)}]
)
def test_conv2d(kernel_scale, attrs):
    x, w = data(), data("w", (4, 6, 3, 3))
    zero = relay.const(0)
    expr = relay.qnn.conv2d(
        x, w, ZERO, zero, SCALE, kernel_scale, kernel_size=(3, 3), channels=4, **attrs
    )
    check_call(expr, count=4)


def test_depthwise_conv2d():
    x, w = data(), data("w", (6, 1, 3, 3))
    expr = relay.qnn.conv2d(
        x,
        w,
        ZERO,
        relay.const(0),
        SCALE,
        scales(6),
        kernel_size=(3, 3),
        channels=6,
        groups=6,
        padding=(1, 1),
    )
    check_call(expr, count=4)


def test_conv2d_transpose():
    x, w = data(), data("w", (6, 3, 2, 2))
    expr = relay.qnn.conv2d_transpose(
        x, w, ZERO, relay.const(0), SCALE, SCALE, strides=(2, 2), kernel_size=(2, 2), channels=3
    )
    check_call(expr, count=4)


@pytest.mark.parametrize("kernel_scale", [SCALE, scales(7)])
def test_dense(kernel_scale):
    x, w = data(shape=(4, 9)), data("w", (7, 9))
    check_call(relay.qnn.dense(x, w, ZERO, relay.const(1), SCALE, kernel_scale, units=7))


def test_batch_matmul():
    x, w = data(shape=(2, 4, 9)), data("w", (2, 7, 9))
    check_call(relay.qnn.batch_matmul(x, w, ZERO, relay.const(1), SCALE, SCALE))


@pytest.mark.parametrize("name", ["add", "mul", "subtract"])
@pytest.mark.parametrize("other", [(1, 6, 5, 4), (6, 1, 1), ()])
def test_arithmetic(name, other):
    x, y = data(), data("y", other)
    expr = getattr(relay.qnn, name)(x, y, SCALE, ZERO, SCALE, ZERO, SCALE, ZERO)
    check_call(expr, count=4)


def test_concatenate():
    parts = relay.Tuple([data("a", (1, 2, 3, 4)), data("b", (1, 1, 3, 4)), data("c", (1, 3, 3, 4))])
    steps = [relay.const(s) for s in (0.05, 0.02, 0.04)]
    zero = [relay.const(z) for z in (0, 3, -2)]
    check_call(relay.qnn.concatenate(parts, steps, zero, SCALE, ZERO, axis=1), count=12)


def test_tables():
    check_call(relay.qnn.sigmoid(data(), SCALE, ZERO, SCALE, ZERO), count=2)


def test_leaky_relu():
    check_call(relay.qnn.leaky_relu(data(), 0.1, SCALE, ZERO, SCALE, ZERO), count=3)


def test_softmax():
    expr = relay.qnn.softmax(data(shape=(3, 5)), SCALE, ZERO, SCALE, ZERO)
    check_call(expr, cuts={0}, count=3)


def test_avg_pool2d():
    expr = relay.qnn.avg_pool2d(
        data(), SCALE, ZERO, SCALE, ZERO, (3, 3), strides=(2, 1), padding=(1, 1), dilation=(1, 1)
    )
    check_call(expr, count=4)
