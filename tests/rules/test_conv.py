# SPDX-License-Identifier: Apache-2.0
"""Tiles of convolutions equal slices of the whole convolution."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call, single_op


def conv2d(shape, weight, data="NCHW", kernel="OIHW", groups=1, depthwise=False, **attrs):
    """A conv2d over variables x and w."""
    x, w = relay.var("x", shape=shape), relay.var("w", shape=weight)
    size = tuple(weight[kernel.index(letter)] for letter in "HW")
    out = weight[kernel.index("O")]
    if depthwise:
        out = groups * weight[kernel.index("I")] if kernel == "HWOI" else groups * out
    return relay.nn.conv2d(
        x,
        w,
        kernel_size=size,
        channels=out,
        data_layout=data,
        kernel_layout=kernel,
        groups=groups,
        **attrs,
    )


PLAIN = {
    "3x3": {"padding": (1, 1)},
    "strided": {"padding": (1, 1), "strides": (2, 3)},
    "asymmetric padding": {"padding": (0, 2, 3, 1)},
    "padding wider than the window": {"padding": (5, 4, 7, 3)},
    "padding wider than the strided window": {"padding": (6, 5, 6, 5), "strides": (2, 4)},
    "dilated": {"padding": (2, 3), "dilation": (2, 3)},
    "dilated and strided": {"padding": (2, 1, 3, 2), "dilation": (3, 2), "strides": (2, 2)},
    "valid": {},
    "stride wider than the window": {"strides": (4, 5)},
}


@pytest.mark.parametrize("attrs", PLAIN.values(), ids=PLAIN.keys())
def test_conv2d_windows(attrs):
    check(conv2d((2, 3, 9, 11), (4, 3, 3, 3), **attrs))


GROUPED = {
    "groups of several channels": ((1, 6, 5, 6), (9, 2, 3, 3), {"groups": 3, "padding": (1, 1)}),
    "depthwise": ((1, 6, 5, 6), (6, 1, 3, 3), {"groups": 6, "padding": (1, 1)}),
    "depthwise with multiplier": ((1, 4, 5, 6), (8, 1, 3, 3), {"groups": 4, "padding": (1, 1)}),
    "1x1 groups": ((1, 8, 5, 4), (8, 4, 1, 1), {"groups": 2}),
}


@pytest.mark.parametrize("case", GROUPED.values(), ids=GROUPED.keys())
def test_conv2d_groups(case):
    shape, weight, attrs = case
    check(conv2d(shape, weight, **attrs))


NHWC = {
    "plain": ((1, 7, 6, 3), (3, 2, 3, 5), "HWIO", {"padding": (1, 0, 1, 1)}),
    "strided": ((2, 7, 6, 3), (3, 3, 3, 4), "HWIO", {"padding": (1, 1), "strides": (2, 2)}),
    "groups": ((1, 5, 6, 6), (3, 3, 3, 4), "HWIO", {"padding": (1, 1), "groups": 2}),
}


@pytest.mark.parametrize("case", NHWC.values(), ids=NHWC.keys())
def test_conv2d_nhwc(case):
    shape, weight, kernel, attrs = case
    check(conv2d(shape, weight, "NHWC", kernel, **attrs))


@pytest.mark.parametrize("multiplier", [1, 2])
def test_conv2d_nhwc_depthwise(multiplier):
    weight = (3, 3, 4, multiplier)
    expr = conv2d((1, 5, 6, 4), weight, "NHWC", "HWOI", groups=4, padding=(1, 1), depthwise=True)
    check(expr)


BLOCKED = {
    "4 to 8": (4, 8, 16, 16, {"padding": (1, 1)}),
    "strided 3 to 4": (3, 4, 3, 12, {"padding": (0, 1, 2, 1), "strides": (2, 2)}),
}


@pytest.mark.parametrize("case", BLOCKED.values(), ids=BLOCKED.keys())
def test_conv2d_blocked(case):
    ic, oc, channels_in, channels_out, attrs = case
    x = relay.var("x", shape=(1, channels_in // ic, 7, 8, ic))
    w = relay.var("w", shape=(channels_out // oc, channels_in // ic, 3, 3, ic, oc))
    layouts = {
        "data_layout": f"NCHW{ic}c",
        "kernel_layout": f"OIHW{ic}i{oc}o",
        "out_layout": f"NCHW{oc}c",
    }
    check(
        relay.nn.contrib_conv2d_nchwc(
            x, w, channels=channels_out, kernel_size=(3, 3), **layouts, **attrs
        )
    )


@pytest.mark.parametrize(("strides", "block"), [((1, 1), 4), ((2, 2), 4), ((1, 1), 1)])
def test_conv2d_blocked_depthwise(strides, block):
    x = relay.var("x", shape=(1, 12 // block, 7, 8, block))
    w = relay.var("w", shape=(12 // block, 1, 3, 3, 1, block))
    expr = relay.nn.contrib_depthwise_conv2d_nchwc(
        x,
        w,
        channels=12,
        kernel_size=(3, 3),
        groups=12,
        padding=(1, 1),
        strides=strides,
        data_layout=f"NCHW{block}c",
        kernel_layout=f"OIHW1i{block}o",
        out_layout=f"NCHW{block}c",
    )
    check(expr)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("attrs", [{"padding": (1, 2)}, {"strides": 2, "dilation": 2}])
def test_conv1d(attrs, groups):
    x, w = relay.var("x", shape=(2, 4, 12)), relay.var("w", shape=(6, 4 // groups, 3))
    check(relay.nn.conv1d(x, w, kernel_size=3, channels=6, groups=groups, **attrs))


@pytest.mark.parametrize(
    "attrs", [{"padding": (1, 1, 1)}, {"padding": (0, 1, 2, 2, 1, 0), "strides": (2, 1, 2)}]
)
def test_conv3d(attrs):
    x, w = relay.var("x", shape=(1, 3, 5, 6, 5)), relay.var("w", shape=(4, 3, 3, 3, 3))
    check(relay.nn.conv3d(x, w, kernel_size=(3, 3, 3), channels=4, **attrs))


TRANSPOSED = {
    "plain": {"kernel": (3, 3)},
    "stride 2": {"kernel": (2, 2), "strides": (2, 2)},
    "stride 2, 3x3, padded": {
        "kernel": (3, 3),
        "strides": (2, 2),
        "padding": (1, 1),
        "output_padding": (1, 1),
    },
    "stride 3, narrow window": {"kernel": (2, 2), "strides": (3, 3), "output_padding": (2, 1)},
    "asymmetric": {"kernel": (4, 3), "strides": (2, 1), "padding": (1, 0, 2, 1)},
}


@pytest.mark.parametrize("attrs", TRANSPOSED.values(), ids=TRANSPOSED.keys())
def test_conv2d_transpose(attrs):
    attrs = dict(attrs)
    kernel = attrs.pop("kernel")
    x, w = relay.var("x", shape=(1, 3, 5, 6)), relay.var("w", shape=(3, 4, *kernel))
    check(relay.nn.conv2d_transpose(x, w, kernel_size=kernel, channels=4, **attrs))


@pytest.mark.parametrize(("groups", "weight"), [(2, (4, 3, 3, 3)), (4, (4, 1, 3, 3))])
def test_conv2d_transpose_groups(groups, weight):
    x, w = relay.var("x", shape=(1, 4, 5, 6)), relay.var("w", shape=weight)
    out = groups * weight[1]
    expr = relay.nn.conv2d_transpose(
        x, w, kernel_size=(3, 3), channels=out, groups=groups, strides=(2, 2), padding=(1, 1)
    )
    check(expr)


def test_conv2d_transpose_nhwc():
    x, w = relay.var("x", shape=(1, 5, 4, 3)), relay.var("w", shape=(3, 3, 2, 3))
    expr = relay.nn.conv2d_transpose(
        x,
        w,
        kernel_size=(3, 3),
        channels=2,
        strides=(2, 2),
        padding=(1, 1),
        data_layout="NHWC",
        kernel_layout="HWOI",
    )
    check(expr)


@pytest.mark.parametrize("groups", [1, 2])
def test_conv1d_transpose(groups):
    x, w = relay.var("x", shape=(1, 4, 7)), relay.var("w", shape=(4, 3, 3))
    expr = relay.nn.conv1d_transpose(
        x,
        w,
        kernel_size=(3,),
        channels=3 * groups,
        groups=groups,
        strides=(2,),
        padding=(1, 1),
        output_padding=(1,),
    )
    check(expr)


def test_conv3d_transpose():
    x, w = relay.var("x", shape=(1, 3, 3, 4, 3)), relay.var("w", shape=(3, 2, 3, 3, 3))
    expr = relay.nn.conv3d_transpose(
        x, w, kernel_size=(3, 3, 3), channels=2, strides=(2, 2, 2), padding=(1, 1, 1)
    )
    check(expr)


def check(expr):
    """Every axis but blocks can be cut."""
    op = single_op(expr)
    blocked = "c" in op.attrs["data_layout"]
    axes = {a for a, n in enumerate(op.out_shape) if n > 1}
    check_call(expr, axes - {4} if blocked else axes)
