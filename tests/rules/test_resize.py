# SPDX-License-Identifier: Apache-2.0
"""Tiles of resized images equal slices of the whole."""

import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call

MODES = ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]


def resize2d(shape, size, method, mode, layout="NCHW", **attrs):
    x = relay.var("x", shape=shape)
    return relay.image.resize2d(
        x, size, None, layout, method, coordinate_transformation_mode=mode, **attrs
    )


@pytest.mark.parametrize("method", ["nearest_neighbor", "linear"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(10, 18), (7, 6), (3, 13)])
def test_resize2d(method, mode, size):
    expr = resize2d((1, 2, 5, 6), size, method, mode, rounding_method="floor")
    check_call(expr, count=5)


@pytest.mark.parametrize("rounding", ["round", "round_prefer_floor", "ceil"])
@pytest.mark.parametrize("mode", MODES[:2])
def test_resize2d_nearest_rounding(rounding, mode):
    expr = resize2d((1, 2, 5, 6), (10, 18), "nearest_neighbor", mode, rounding_method=rounding)
    check_call(expr, count=5)


@pytest.mark.parametrize("mode", MODES[:2])
def test_resize2d_cubic_is_cut_along_channels(mode):
    check_call(resize2d((1, 2, 5, 6), (10, 12), "cubic", mode), cuts={1})


@pytest.mark.parametrize(("shape", "layout"), [((1, 5, 6, 3), "NHWC"), ((1, 2, 5, 6, 4), "NCHW4c")])
def test_resize2d_layouts(shape, layout):
    cuts = {1, 2, 3} if layout == "NCHW4c" else None
    check_call(resize2d(shape, (10, 12), "linear", "half_pixel", layout), cuts)
    check_call(resize2d(shape, (7, 9), "linear", "align_corners", layout), cuts)


@pytest.mark.parametrize("method", ["nearest_neighbor", "bilinear"])
def test_upsampling(method):
    x = relay.var("x", shape=(1, 2, 5, 6))
    check_call(relay.nn.upsampling(x, 2, 3, method=method))


def test_upsampling3d():
    x = relay.var("x", shape=(1, 2, 3, 4, 5))
    check_call(relay.nn.upsampling3d(x, 2, 2, 3))


def test_upsampling_with_aligned_corners():
    x = relay.var("x", shape=(1, 2, 5, 6))
    check_call(relay.nn.upsampling(x, 2, 2, method="bilinear", align_corners=True))


def test_resize3d():
    x = relay.var("x", shape=(1, 2, 3, 4, 5))
    expr = relay.image.resize3d(
        x, (6, 6, 5), None, "NCDHW", "linear", coordinate_transformation_mode="half_pixel"
    )
    check_call(expr)


def test_rounding_that_hangs_on_the_last_bits_is_not_cut():
    """A factor of 5/6 reads pixels 2.5, 5, ...: which one is nearest is for TVM to say."""
    expr = resize2d((1, 2, 5, 6), (6, 6), "nearest_neighbor", "asymmetric", rounding_method="round")
    check_call(expr, cuts={1, 3})


@pytest.mark.parametrize("method", ["nearest_neighbor", "linear"])
def test_resize1d(method):
    x = relay.var("x", shape=(1, 2, 5))
    expr = relay.image.resize1d(
        x, (10,), None, "NCW", method, coordinate_transformation_mode="asymmetric"
    )
    check_call(expr)
