# SPDX-License-Identifier: Apache-2.0
"""The emulator's numpy kernels give what TVM gives."""

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.kernels import KERNELS
from flexpie_tvm.testing.tiles import random_feeds, run_module


def var(*shape, name="x", dtype="float32"):
    return relay.var(name, shape=shape, dtype=dtype)


def weight(*shape):
    return relay.const(np.random.default_rng(1).standard_normal(shape).astype("float32"))


X = (1, 4, 7, 6)
INDEX = relay.const(np.array([[0, 2], [3, 1]], "int64"))
CASES = {
    "conv2d": relay.nn.conv2d(var(*X), weight(6, 4, 3, 3), padding=(1, 2, 0, 1), dilation=(2, 1)),
    "conv2d groups": relay.nn.conv2d(var(*X), weight(6, 2, 3, 3), groups=2, strides=(2, 1)),
    "conv2d depthwise": relay.nn.conv2d(var(*X), weight(8, 1, 3, 3), groups=4, channels=8),
    "conv2d nhwc": relay.nn.conv2d(
        var(1, 5, 6, 3), weight(3, 3, 3, 4), data_layout="NHWC", kernel_layout="HWIO"
    ),
    "conv2d nhwc depthwise": relay.nn.conv2d(
        var(1, 5, 6, 3),
        weight(3, 3, 3, 2),
        groups=3,
        channels=6,
        kernel_size=(3, 3),
        data_layout="NHWC",
        kernel_layout="HWOI",
    ),
    "conv2d blocked": relay.nn.contrib_conv2d_nchwc(
        var(1, 2, 5, 6, 3),
        weight(2, 2, 3, 3, 3, 4),
        channels=8,
        kernel_size=(3, 3),
        data_layout="NCHW3c",
        kernel_layout="OIHW3i4o",
        out_layout="NCHW4c",
    ),
    "conv2d blocked depthwise": relay.nn.contrib_depthwise_conv2d_nchwc(
        var(1, 2, 5, 6, 4),
        weight(2, 1, 3, 3, 1, 4),
        channels=8,
        groups=8,
        kernel_size=(3, 3),
        data_layout="NCHW4c",
        kernel_layout="OIHW1i4o",
        out_layout="NCHW4c",
    ),
    "reinterpret": relay.reinterpret(var(*X), "int32"),
    "conv1d": relay.nn.conv1d(var(1, 4, 9), weight(5, 4, 3), padding=(1, 2), strides=2),
    "conv3d": relay.nn.conv3d(var(1, 2, 4, 5, 4), weight(3, 2, 3, 2, 3), padding=(1, 0, 1)),
    "conv2d_transpose": relay.nn.conv2d_transpose(
        var(*X),
        weight(4, 3, 3, 3),
        channels=3,
        kernel_size=(3, 3),
        strides=(2, 3),
        padding=(1, 0, 0, 2),
        output_padding=(1, 0),
    ),
    "conv2d_transpose of a larger output": relay.nn.conv2d_transpose(
        var(*X),
        weight(4, 3, 3, 3),
        channels=3,
        kernel_size=(3, 3),
        strides=(2, 3),
        padding=(0, 0, -1, -1),
    ),
    "conv2d_transpose groups": relay.nn.conv2d_transpose(
        var(*X), weight(4, 2, 2, 2), channels=4, groups=2, kernel_size=(2, 2), strides=(2, 2)
    ),
    "max_pool2d": relay.nn.max_pool2d(var(*X), (3, 3), (2, 2), padding=(1, 1), ceil_mode=True),
    "max_pool2d dilated": relay.nn.max_pool2d(var(*X), (2, 2), dilation=(2, 3), padding=(1, 2)),
    "avg_pool2d": relay.nn.avg_pool2d(var(*X), (3, 2), (2, 2), padding=(1, 0), ceil_mode=True),
    "avg_pool2d with padding": relay.nn.avg_pool2d(
        var(*X), (3, 2), (2, 2), padding=(1, 1), ceil_mode=True, count_include_pad=True
    ),
    "max_pool2d nhwc": relay.nn.max_pool2d(var(1, 6, 5, 3), (2, 2), layout="NHWC"),
    "max_pool2d nwch": relay.nn.max_pool2d(var(1, 6, 2, 5), (3, 2), (1, 2), layout="NWCH"),
    "avg_pool2d blocked": relay.nn.avg_pool2d(var(1, 2, 6, 5, 4), (2, 2), layout="NCHW4c"),
    "avg_pool1d": relay.nn.avg_pool1d(var(1, 3, 9), (3,), (2,), padding=(1, 1)),
    "global_avg_pool2d": relay.nn.global_avg_pool2d(var(*X)),
    "global_max_pool2d": relay.nn.global_max_pool2d(var(1, 5, 4, 3), layout="NHWC"),
    "dense": relay.nn.dense(var(5, 7), weight(4, 7)),
    "batch_matmul": relay.nn.batch_matmul(
        var(3, 7, 5), weight(1, 7, 4), transpose_a=True, transpose_b=False
    ),
    "softmax": relay.nn.softmax(var(*X), axis=1),
    "mean": relay.mean(var(*X), (1, 3), keepdims=True),
    "sum": relay.sum(var(*X), (1,), exclude=True),
    "max": relay.max(var(*X)),
    "prod": relay.prod(var(*X), -1),
    "bias_add": relay.nn.bias_add(var(1, 5, 4, 3), weight(3), axis=-1),
    "prelu": relay.nn.prelu(var(*X), weight(4)),
    "leaky_relu": relay.nn.leaky_relu(var(*X), 0.1),
    "clip": relay.clip(var(*X), -0.5, 0.7),
    "erf": relay.erf(var(*X)),
    "sigmoid": relay.sigmoid(var(*X)),
    "rsqrt": relay.rsqrt(relay.const(np.array([0.3, 7.0], "float32"))),
    "divide": relay.divide(var(3, 4), relay.const(np.float32(3))),
    "integer divide": relay.divide(var(3, 4, dtype="int32"), relay.const(np.int32(4))),
    "where": relay.where(var(3, 1, dtype="bool", name="c"), var(3, 4), relay.const(np.float32(2))),
    "cast": relay.cast(var(3, 4), "int32"),
    "concatenate": relay.concatenate([var(2, 3), var(2, 2, name="y")], 1),
    "transpose": relay.transpose(var(2, 3, 4), (2, 0, 1)),
    "reshape": relay.reshape(var(2, 3, 4), (4, 6)),
    "broadcast_to": relay.broadcast_to(var(3, 1), (2, 3, 4)),
    "layout_transform": relay.layout_transform(var(1, 2, 3, 4, 4), "NCHW4c", "NCHW2c"),
    "slice": relay.strided_slice(var(6, 7, 5), [1, -1, 0], [6, -9, 3], [2, -3]),
    "slice by size": relay.strided_slice(var(6, 7), [1, 2], [-1, 3], slice_mode="size"),
    "take": relay.take(var(3, 5, 2), INDEX, 1, mode="clip"),
    "pad": relay.nn.pad(var(3, 4), ((1, 0), (2, 3)), 1.5),
    "pad edge": relay.nn.pad(var(3, 4), ((1, 0), (2, 3)), pad_mode="edge"),
    "pad reflect": relay.nn.pad(var(3, 4), ((1, 0), (2, 3)), pad_mode="reflect"),
}


@pytest.mark.parametrize("name", CASES)
def test_numpy_kernels_agree_with_tvm(name):
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(CASES[name]))
    call = mod["main"].body
    assert call.op.name in KERNELS
    feeds = random_feeds(mod["main"].params, np.random.default_rng(0))
    (expected,) = run_module(mod, feeds)
    args = [_value(a, feeds) for a in call.args]
    found = Evaluator().call(call, args)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_operators_without_a_kernel_are_compiled():
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.sort(var(3, 4), axis=1)))
    value = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    assert "sort" not in KERNELS
    np.testing.assert_array_equal(
        Evaluator().call(mod["main"].body, [value]), np.sort(value, axis=1)
    )


def _value(arg, feeds):
    if isinstance(arg, relay.Tuple):
        return [_value(f, feeds) for f in arg.fields]
    return feeds[arg.name_hint] if isinstance(arg, relay.Var) else arg.data.numpy()
