# SPDX-License-Identifier: Apache-2.0
"""Results that a node names and nobody reads do not keep a model from being imported."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.testing.tiles import run_module

SHAPE = (1, 4, 6, 5)


def _weights(**shapes) -> list[onnx.TensorProto]:
    rng = np.random.default_rng(3)
    return [
        numpy_helper.from_array(rng.uniform(0.5, 1, shape).astype("float32"), name)
        for name, shape in shapes.items()
    ]


def _top_k() -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.array([3], "int64"), "k")]


#: Operator -> opset, results that are named, weights, attributes. The first result alone is read.
CASES = {
    "Dropout": (13, 2, [], {}),
    "old Dropout": (7, 2, [], {"ratio": 0.5}),
    "MaxPool": (12, 2, [], {"kernel_shape": [2, 2]}),
    "TopK": (11, 2, _top_k(), {"axis": 2}),
    "LayerNormalization": (17, 3, _weights(scale=(5,), bias=(5,)), {}),
    "Split": (13, 2, [], {"axis": 2}),
}


def model(name: str) -> onnx.ModelProto:
    opset, results, weights, attributes = CASES[name]
    inputs = ["x", *(weight.name for weight in weights)]
    made = helper.make_node(
        name.split()[-1], inputs, [f"r{k}" for k in range(results)], "node", **attributes
    )
    graph = helper.make_graph(
        [made, helper.make_node("Relu", ["r0"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [onnx.ValueInfoProto(name="y")],
        weights,
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    whole.ir_version = 8
    return whole


@pytest.mark.parametrize("name", CASES)
def test_the_result_that_is_read_is_onnxruntime_s(name):
    made = model(name)
    feeds = {"x": np.random.default_rng(1).standard_normal(SHAPE, dtype="float32")}
    (expected,) = onnxruntime.InferenceSession(made.SerializeToString()).run(None, feeds)
    (found,) = run_module(import_onnx(made, fix_shapes(made, {}, "m"), "m"), feeds)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
