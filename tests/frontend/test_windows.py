# SPDX-License-Identifier: Apache-2.0
"""Windows of pools, and shares of resized axes, against brute force and onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.frontend.converters.interpolation import Axis, nearest, weights
from flexpie_tvm.frontend.windows import all_windows, windows_of

small = st.integers(1, 4)


@given(st.integers(1, 20), small, small, small, st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_windows_are_those_that_begin_before_the_padding_behind(
    length, size, stride, dilation, before, after, ceil
):
    reach = (size - 1) * dilation + 1
    assume(before < reach and after < reach and reach <= length + before + after)
    found = windows_of(length, size, stride, dilation, (before, after), ceil)
    begins = range(-before, length, stride) if ceil else range(-before, length + after, stride)
    if ceil:  # a window counts if the one before it did not end at or behind the end
        counted = [b for b in begins if b == -before or b - stride + reach < length + after]
    else:
        counted = [b for b in begins if b + reach <= length + after]
    assert found.count == len(counted)
    assert found.reach == max(counted[-1] + reach - length, 0)


@given(st.integers(1, 20), small, small, st.sampled_from(["SAME_UPPER", "SAME_LOWER"]))
def test_same_padding_has_a_window_for_each_stride(length, size, stride, mode):
    attributes = {"kernel_shape": [size], "strides": [stride], "auto_pad": mode}
    (found,) = all_windows([length], attributes)
    assert found.count == -(-length // stride)
    assert abs(found.before - found.after) <= 1
    assert (found.before >= found.after) == (mode == "SAME_LOWER") or found.before == found.after


def resized(values, scale, attributes):
    """A line by onnxruntime; linear and cubic modes want images."""
    shape = (1, 1, values.size) if attributes["mode"] == "nearest" else (1, 1, 1, values.size)
    scales = [1.0] * (len(shape) - 1) + [scale]
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "s"], ["y"], **attributes)],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.array(scales, "float32"), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": values.reshape(shape)})[0].ravel()


lengths = st.integers(2, 12)
scales = st.sampled_from([0.3, 0.5, 0.75, 1.25, 1.5, 2.0, 2.5, 3.0, 3.7])
modes = st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
roundings = st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])


@settings(deadline=None, max_examples=150)
@given(lengths, scales, modes, roundings)
def test_nearest_elements(length, scale, mode, rounding):
    scale = float(np.float32(scale))
    result = int(np.floor(length * scale))
    assume(result > 0 and result != length)  # onnxruntime copies where no size changes
    attributes = {
        "mode": "nearest", "coordinate_transformation_mode": mode, "nearest_mode": rounding
    }  # fmt: skip
    values = np.arange(length, dtype="float32")
    expected = resized(values, scale, attributes)
    found = nearest(Axis(length, result, scale), mode, rounding)
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None, max_examples=150)
@given(lengths, scales, modes, st.sampled_from(["linear", "cubic"]), st.booleans(), st.booleans())
def test_shares_of_elements(length, scale, mode, kind, antialias, excluded):
    scale = float(np.float32(scale))
    result = int(np.floor(length * scale))
    assume(result > 1 and result != length)  # onnxruntime copies where no size changes
    excluded = excluded and kind == "cubic"
    antialias = antialias and mode == "half_pixel"
    attributes = {
        "mode": kind,
        "coordinate_transformation_mode": mode,
        "antialias": int(antialias),
        "exclude_outside": int(excluded),
    }
    values = np.random.default_rng(length).standard_normal(length, dtype="float32")
    expected = resized(values, scale, attributes)
    table = weights(Axis(length, result, scale), mode, kind, antialias, -0.75, excluded)
    np.testing.assert_allclose(table @ values, expected, rtol=1e-4, atol=1e-4)
