# SPDX-License-Identifier: Apache-2.0
"""Tiles of operators that move, copy and pick elements equal slices of the whole."""

import numpy as np
import pytest
from tvm import relay

from flexpie_tvm.testing.tiles import check_call

SHAPE = (2, 6, 4, 5)


def image(shape=SHAPE, dtype="float32"):
    return relay.var("x", shape=shape, dtype=dtype)


@pytest.mark.parametrize("axes", [None, (0, 2, 3, 1), (3, 0, -2, 1)])
def test_transpose(axes):
    check_call(relay.transpose(image(), axes))


@pytest.mark.parametrize("axis", [1, -1])
def test_concatenate(axis):
    parts = [
        relay.var(n, shape=SHAPE[:axis] + (k,) + SHAPE[axis:][1:])
        for n, k in zip("abc", (2, 1, 3), strict=False)
    ]
    check_call(relay.concatenate(parts, axis), count=12)


@pytest.mark.parametrize("axis", [0, 2, -1])
def test_stack(axis):
    parts = [relay.var(n, shape=(2, 3, 4)) for n in "abc"]
    check_call(relay.stack(parts, axis), count=12)


SLICES = {
    "positive": {"begin": (0, 1, 1, 0), "end": (2, 6, 3, 5)},
    "negative begin and end": {"begin": (0, -5, -3), "end": (2, -1, 4)},
    "beyond the end": {"begin": (0, 2), "end": (2, 2**31 - 1)},
    "strided": {"begin": (0, 1, 0, 1), "end": (2, 6, 4, 5), "strides": (1, 2, 3, 2)},
    "fewer strides than axes": {"begin": (0, 1, 0), "end": (2, 6, 4), "strides": (2,)},
    "some axes": {"begin": (1, 2), "end": (5, -1), "strides": (1, 1), "axes": (1, 3)},
    "negative strides": {"begin": (1, -1, 3), "end": (-3, -7, 0), "strides": (-1, -2, -1)},
    "by size": {"begin": (0, 2, 1), "end": (-1, 3, -1), "slice_mode": "size"},
}


@pytest.mark.parametrize("attrs", SLICES.values(), ids=SLICES.keys())
def test_strided_slice(attrs):
    check_call(relay.strided_slice(image(), **attrs), count=12)


PADS = ((0, 0), (0, 2), (3, 1), (2, 2))


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pad(mode):
    check_call(relay.nn.pad(image(), PADS, pad_value=1.5, pad_mode=mode), count=16)


@pytest.mark.parametrize("mode", ["SYMMETRIC", "REFLECT"])
def test_mirror_pad(mode):
    check_call(relay.nn.mirror_pad(image(), PADS, mode), count=16)


@pytest.mark.parametrize("reps", [(1, 3, 1, 2), (2, 1), (2, 1, 2, 1, 1)])
def test_tile(reps):
    check_call(relay.tile(image((2, 3, 2, 4)), reps), count=14)


@pytest.mark.parametrize("axis", [1, -1])
def test_repeat(axis):
    check_call(relay.repeat(image(), 3, axis))


@pytest.mark.parametrize("axis", [1, -1])
def test_reverse(axis):
    check_call(relay.reverse(image(), axis))


@pytest.mark.parametrize("shape", [(4, 5), (6, 1, 1), (1, 6, 1, 5), (2, 6, 4, 5)])
def test_broadcast_to(shape):
    check_call(relay.broadcast_to(image(shape), SHAPE))
    check_call(relay.broadcast_to_like(image(shape), relay.var("like", shape=SHAPE)), count=4)


def test_operators_that_look_at_a_shape_or_type():
    check_call(relay.slice_like(image(), relay.var("y", shape=(1, 4, 9, 9)), axes=(0, 1)))
    check_call(relay.cast_like(image(), relay.var("y", shape=(3,), dtype="int32")))
    check_call(relay.reshape_like(image((2, 12)), relay.var("y", shape=(2, 3, 4))), cuts={0, 1})


@pytest.mark.parametrize("strides", [(1, 1, 2, 3), (1, 3, 1, 1)])
def test_dilate(strides):
    check_call(relay.nn.dilate(image(), strides))


RESHAPES = [
    ((2, 3, 4, 5), (2, 3, 20), {0, 1, 2}),
    ((1, 12, 4), (1, 3, 4, 4), {1, 3}),
    ((1, 3, 4, 5), (1, 12, 5), {1, 2}),
    ((1, 5, 12), (5, 3, 4), {0, 1}),
    ((2, 3, 4), (24,), {0}),
    ((6, 4), (4, 6), {0}),
    ((2, 3), (3, 2), set()),
    ((1, 1, 4), (4, 1), {0}),
    ((1, 8, 3, 3), (1, 2, 4, 3, 3), {1, 3, 4}),
]


@pytest.mark.parametrize(("source", "target", "cuts"), RESHAPES)
def test_reshape(source, target, cuts):
    """The first axis of each group of axes that hold the same elements is cuttable."""
    check_call(relay.reshape(image(source), target), cuts=cuts)


def test_squeeze_expand_flatten():
    check_call(relay.squeeze(image((2, 1, 3, 1)), (1, 3)))
    check_call(relay.expand_dims(image((2, 3)), 1, 2))
    check_call(relay.nn.batch_flatten(image((2, 3, 4))), cuts={0, 1})


LAYOUTS = [
    ("NCHW", "NHWC", (2, 6, 4, 5), {0, 1, 2, 3}),
    ("NCHW", "NCHW3c", (1, 6, 4, 5), {1, 2, 3}),
    ("NCHW4c", "NCHW", (1, 3, 4, 5, 4), {1, 2, 3}),
    ("NCHW2c", "NCHW3c", (1, 6, 2, 2, 2), {1, 2, 3}),
    ("NCHW4c", "NCHW6c", (1, 3, 2, 2, 4), {2, 3}),
]


@pytest.mark.parametrize(("old", "new", "shape", "cuts"), LAYOUTS)
def test_layout_transform(old, new, shape, cuts):
    check_call(relay.layout_transform(image(shape), old, new), cuts=cuts)


@pytest.mark.parametrize(("axis", "index"), [(1, (3,)), (-1, (2, 2)), (0, ()), (2, (1,))])
def test_take_along_an_axis(axis, index):
    picked = relay.var("i", shape=index, dtype="int32")
    value = np.random.default_rng(0).integers(0, 4, index).astype("int32")
    check_call(relay.take(image(), picked, axis, mode="clip"), feeds={"i": value})


@pytest.mark.parametrize("axis", [1, 2])
def test_take_with_indices_of_each_of_a_batch(axis):
    picked = np.random.default_rng(3).integers(0, SHAPE[axis], (2, 5)).astype("int32")
    index = relay.var("i", shape=picked.shape, dtype="int32")
    call = relay.take(image(), index, axis, batch_dims=1, mode="clip")
    check_call(call, feeds={"i": picked})


def test_take_from_an_embedding_table():
    index = relay.var("i", shape=(1, 7), dtype="int64")
    feeds = {"i": np.random.default_rng(0).integers(0, 9, (1, 7))}
    check_call(relay.take(image((9, 4)), index, 0), feeds=feeds)
    check_call(relay.take(image((9, 4)), index), feeds=feeds)


@pytest.mark.parametrize("axis", [1, -1])
def test_gather(axis):
    index = relay.var("i", shape=(2, 6, 4, 5), dtype="int64")
    feeds = {"i": np.random.default_rng(0).integers(0, 5, SHAPE)}
    check_call(relay.gather(image(), axis, index), feeds=feeds)


def test_gather_nd():
    index = relay.var("i", shape=(2, 3), dtype="int64")
    feeds = {"i": np.array([[0, 1, 1], [5, 2, 0]])}
    check_call(relay.gather_nd(image(), index), feeds=feeds)


@pytest.mark.parametrize(("axis", "cuts"), [(-1, {0, 1}), (0, {1, 2}), (1, {0, 2})])
def test_one_hot_is_whole_along_the_new_axis(axis, cuts):
    index = relay.var("i", shape=(3, 4), dtype="int32")
    feeds = {"i": np.random.default_rng(0).integers(0, 5, (3, 4)).astype("int32")}
    expr = relay.one_hot(index, relay.const(1.0), relay.const(0.0), 5, axis, "float32")
    check_call(expr, cuts, feeds)


@pytest.mark.parametrize("name", ["zeros", "ones"])
def test_filled_tensors(name):
    check_call(getattr(relay, name)((3, 4), "float32"))
    check_call(relay.full(relay.const(2.5), (3, 4), "float32"))


@pytest.mark.parametrize(("mode", "cuts"), [("DCR", {0, 2, 3}), ("CRD", {0, 1, 2, 3})])
def test_depth_to_space(mode, cuts):
    check_call(relay.nn.depth_to_space(image((2, 12, 3, 4)), 2, mode=mode), cuts)


def test_depth_to_space_nhwc():
    check_call(relay.nn.depth_to_space(image((1, 3, 4, 12)), 2, layout="NHWC"), cuts={1, 2})


def test_space_to_depth():
    check_call(relay.nn.space_to_depth(image((1, 3, 4, 6)), 2), cuts={2, 3})


def test_space_to_batch_and_back_are_cut_behind_the_blocked_axes():
    pads = [[0, 0], [0, 1]]
    check_call(relay.nn.space_to_batch_nd(image((1, 4, 5, 3)), [2, 2], pads), cuts={3})
    check_call(relay.nn.batch_to_space_nd(image((4, 2, 3, 3)), [2, 2], [[0, 0], [0, 1]]), cuts={3})


def test_operators_without_a_rule_are_whole():
    check_call(relay.arange(relay.const(0), relay.const(5), relay.const(1), "int32"), cuts=set())
    square, line = image((2, 4, 4)), relay.var("d", shape=(2, 4), dtype="float32")
    check_call(relay.matrix_set_diag(square, line), cuts=set(), count=3)
