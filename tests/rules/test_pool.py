# SPDX-License-Identifier: Apache-2.0
"""Tiles of pools equal slices of the whole pool."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call

WINDOWS = {
    "2x2": {"pool_size": (2, 2), "strides": (2, 2)},
    "3x3 padded": {"pool_size": (3, 3), "strides": (2, 2), "padding": (1, 1)},
    "asymmetric padding": {"pool_size": (3, 2), "strides": (1, 2), "padding": (0, 1, 2, 0)},
    "ceil": {"pool_size": (3, 3), "strides": (2, 2), "ceil_mode": True},
    "ceil, stride 3": {
        "pool_size": (2, 2),
        "strides": (3, 3),
        "padding": (1, 0, 1, 1),
        "ceil_mode": True,
    },
    "overlapping, ceil": {
        "pool_size": (5, 4),
        "strides": (3, 3),
        "padding": (2, 1),
        "ceil_mode": True,
    },
}


@pytest.mark.parametrize("attrs", WINDOWS.values(), ids=WINDOWS.keys())
@pytest.mark.parametrize("kind", ["max", "avg", "avg with padding"])
def test_pool2d(kind, attrs):
    x = relay.var("x", shape=(1, 3, 8, 9))
    if kind == "max":
        check_call(relay.nn.max_pool2d(x, **attrs))
    else:
        check_call(relay.nn.avg_pool2d(x, count_include_pad=kind != "avg", **attrs))


def test_max_pool2d_dilated():
    x = relay.var("x", shape=(1, 2, 9, 8))
    check_call(relay.nn.max_pool2d(x, pool_size=(2, 3), dilation=(3, 2), padding=(1, 2)))


def test_pool2d_nhwc():
    x = relay.var("x", shape=(2, 7, 6, 3))
    check_call(
        relay.nn.avg_pool2d(x, pool_size=(3, 3), strides=(2, 1), padding=(1, 1), layout="NHWC")
    )


def test_pool2d_with_columns_before_rows():
    """Attributes name rows first, whatever the layout."""
    x = relay.var("x", shape=(1, 7, 3, 6))
    attrs = {"pool_size": (3, 2), "strides": (2, 1), "padding": (1, 0, 0, 1), "layout": "NWCH"}
    check_call(relay.nn.max_pool2d(x, **attrs))
    check_call(relay.nn.adaptive_avg_pool2d(x, (3, 7), layout="NWCH"))


def test_pool2d_blocked():
    x = relay.var("x", shape=(1, 3, 7, 6, 4))
    expr = relay.nn.max_pool2d(x, pool_size=(3, 3), strides=(2, 2), padding=(1, 1), layout="NCHW4c")
    check_call(expr, cuts={1, 2, 3})


@pytest.mark.parametrize("include", [False, True])
def test_pool1d(include):
    x = relay.var("x", shape=(1, 3, 11))
    attrs = {"pool_size": (3,), "strides": (2,), "padding": (1, 2)}
    check_call(relay.nn.avg_pool1d(x, count_include_pad=include, **attrs))
    check_call(relay.nn.max_pool1d(x, **attrs))


def test_pool3d():
    x = relay.var("x", shape=(1, 2, 5, 6, 4))
    attrs = {"pool_size": (2, 3, 2), "strides": (2, 1, 2), "padding": (0, 1, 1), "ceil_mode": True}
    check_call(relay.nn.avg_pool3d(x, **attrs))
    check_call(relay.nn.max_pool3d(x, **attrs))


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", (2, 5, 4, 3)), ("NHWC", (2, 4, 3, 5))])
def test_global_pool(layout, shape):
    x = relay.var("x", shape=shape)
    check_call(relay.nn.global_avg_pool2d(x, layout=layout))
    check_call(relay.nn.global_max_pool2d(x, layout=layout))


def test_global_pool_blocked():
    x = relay.var("x", shape=(1, 5, 4, 3, 4))
    check_call(relay.nn.global_avg_pool2d(x, layout="NCHW4c"), cuts={1})


@pytest.mark.parametrize(
    ("size", "cuts"),
    [((3, 4), {1}), ((2, 2), {1, 2, 3}), ((8, 1), {1, 2}), ((8, 6), {1, 2, 3}), ((5, 3), {1, 3})],
)
def test_adaptive_pool2d(size, cuts):
    """Cut in space where the size divides the image's."""
    x = relay.var("x", shape=(1, 3, 8, 6))
    check_call(relay.nn.adaptive_avg_pool2d(x, size), cuts)
    check_call(relay.nn.adaptive_max_pool2d(x, size), cuts)


def test_adaptive_pool_other_ranks():
    check_call(relay.nn.adaptive_avg_pool1d(relay.var("x", shape=(1, 3, 10)), (5,)))
    x = relay.var("x", shape=(1, 2, 5, 4, 3))
    check_call(relay.nn.adaptive_max_pool3d(x, (3, 2, 1)), cuts={1, 3})
