# SPDX-License-Identifier: Apache-2.0
"""Nodes that random draws found misread, and whose answers engines and the standard differ on."""

from __future__ import annotations

import re

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.testing.random_onnx import Draw, check_nodes
from flexpie_tvm.testing.random_onnx.draws import model_of
from flexpie_tvm.testing.tiles import run_module

RANDOM = np.random.default_rng(3)
LINE = RANDOM.standard_normal((1, 2, 8), dtype="float32")
IMAGE = RANDOM.standard_normal((1, 2, 3, 5), dtype="float32")
PLACES = np.array([[[[0, 8], [17, 14]]]], "int64")
REGIONS = np.array([[0, 0, 6, 5], [1, 2, 7, 7.5], [-3, -2, 20, 20], [2, 2, 3, 9]], "float32")
PICTURES = RANDOM.standard_normal((2, 3, 9, 8), dtype="float32")


def maxima(opset, constant, **attributes):
    """Regions of which the largest is taken."""
    sizes = {"output_height": 3, "output_width": 2, "mode": "max"}
    inputs = [PICTURES, REGIONS, np.array([1, 0, 1, 0], "int64")]
    return Draw("RoiAlign", inputs, sizes | attributes, constant, opset=opset)


def weights(*values):
    return np.array(values, "float32")


@pytest.mark.parametrize(
    "draw",
    [
        Draw("Mish", [weights(-17, -20, -25, -30)], opset=23),
        Draw("Mish", [weights(-100, 0, 60, 100)], opset=23),
        Draw("Resize", [IMAGE, weights(1, 1, 2.5, 0.7)], {"mode": "nearest"}, [1], opset=10),
        Draw("Resize", [IMAGE, weights(1, 1, 0.4, 1)], {"mode": "nearest"}, [1], opset=10),
        Draw(  # corners of an axis of one element
            "Resize",
            [IMAGE[:, :, :1], None, None, np.array([1, 2, 1, 10], "int64")],
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            [3],
            opset=20,
        ),
        Draw(
            "AveragePool",
            [LINE],
            {"kernel_shape": [2], "strides": [3], "auto_pad": "SAME_UPPER"},
            opset=20,
        ),
        Draw(  # indices in 5 columns, where windows fill 4
            "MaxUnpool",
            [IMAGE[:, :1, :2, :2], PLACES, np.array([1, 1, 4, 5], "int64")],
            {"kernel_shape": [2, 2], "strides": [2, 2]},
            [2],
            opset=20,
        ),
        maxima(20, (), sampling_ratio=2, spatial_scale=0.75),
        maxima(20, (1,)),  # as many samples as bins have elements
        maxima(10, (1, 2), spatial_scale=0.5),
    ],
    ids=str,
)
def test_a_node_answers_as_onnxruntime(draw):
    (outcome,) = check_nodes([draw])
    assert outcome.what == "right", outcome.why


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("operator", ["AveragePool", "LpPool", "Conv"])
def test_padding_below_zero_is_refused(operator, mode):
    attributes = {"strides": [4], "auto_pad": mode}
    if operator == "Conv":
        draw = Draw("Conv", [LINE, np.ones((3, 2, 1), "float32")], attributes, [1], opset=20)
    else:
        draw = Draw(operator, [LINE], {"kernel_shape": [1]} | attributes, opset=20)
    (outcome,) = check_nodes([draw])
    assert outcome.what == "refused"
    assert operator in outcome.why
    assert "give pads" in outcome.why


@pytest.mark.parametrize("axes", [1, 3])
def test_dilated_windows_are_put_where_the_standard_says(axes):
    x = RANDOM.standard_normal((1, 2 * 2**axes, 3**axes), dtype="float32")
    sizes = [np.array([n] * axes, "int64") for n in (5, 2)]
    draw = Draw("Col2Im", [x, *sizes], {"dilations": [2] * axes}, [1, 2], opset=18)
    model, feeds = model_of([draw])
    (found,) = run_module(import_onnx(model, fix_shapes(model, {}, "m"), "m"), feeds)
    (expected,) = ReferenceEvaluator(model).run(None, feeds)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (Draw("Unique", [IMAGE], {"axis": 2}, opset=20), "make its input ('x0_0') an output of"),
        (maxima(20, ()), "maxima need a sampling_ratio"),
        (maxima(20, (1,), spatial_scale=-1.0), "a region without extent"),
        (
            Draw(
                "MaxUnpool",
                [IMAGE[:, :1, :2, :2], PLACES, np.array([1, 2, 3, 5], "int64")],
                {"kernel_shape": [2, 2]},
                [2],
                opset=20,
            ),
            "[1, 2, 3, 5] has other images or channels",
        ),
    ],
    ids=lambda value: value.operator if isinstance(value, Draw) else value,
)
def test_what_has_no_answer_is_refused_in_one_sentence(draw, reason):
    model, _ = model_of([draw])
    with pytest.raises(ModelError, match=re.escape(reason)) as refused:
        import_onnx(model, fix_shapes(model, {}, "m"), "m")
    assert draw.operator in str(refused.value)
    assert "\n" not in str(refused.value)
