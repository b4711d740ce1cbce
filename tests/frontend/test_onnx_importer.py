# SPDX-License-Identifier: Apache-2.0
"""Images that ONNX pads by itself, against onnxruntime; TVM's own importer is left as it is."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from tvm.relay.frontend import onnx as stock

from flexpie_tvm.frontend.onnx_importer import onnx_importer, same_padded, same_padding
from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.testing.tiles import run_module


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(
    ("kind", "size", "attributes"),
    [
        ("Conv", (7, 9), {"kernel_shape": [2, 3], "strides": [1, 2]}),
        ("Conv", (8, 9), {"kernel_shape": [3, 3], "strides": [3, 2]}),
        ("Conv", (11,), {"kernel_shape": [4], "strides": [2]}),
        ("Conv", (5, 6, 7), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 3]}),
        ("MaxPool", (7, 8), {"kernel_shape": [3, 2], "strides": [2, 2]}),
        ("AveragePool", (7, 8), {"kernel_shape": [2, 2], "strides": [2, 3]}),
    ],
)
def test_answers_are_those_of_onnxruntime(kind, size, attributes, mode, tmp_path):
    rng = np.random.default_rng(len(size))
    channels, window = 3, attributes["kernel_shape"]
    weights = rng.standard_normal((channels, channels, *window), dtype="float32")
    convolves = kind == "Conv"
    inputs = ["x", "w"] if convolves else ["x"]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"], auto_pad=mode, **attributes)],
        "same",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, *size))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weights, "w")] if convolves else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    path = tmp_path / "same.onnx"
    onnx.save(model, str(path))
    image = rng.standard_normal((1, channels, *size), dtype="float32")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": image})
    (found,) = run_module(load_onnx(path), {"x": image})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "span", "stride", "total"), [(7, 3, 1, 2), (8, 3, 2, 1), (7, 3, 2, 2), (9, 2, 3, 0)]
)
def test_elements_to_add(size, span, stride, total):
    assert same_padding(size, span, stride) == total
    results = (size + total - span) // stride + 1
    assert results == -(-size // stride)


def test_every_import_has_an_importer_of_its_own():
    before = stock.fold_constant, stock.autopad
    one, other = onnx_importer(), onnx_importer()
    assert one is not other
    assert one.fold_constant is not other.fold_constant
    assert one.autopad is same_padded
    assert (stock.fold_constant, stock.autopad) == before
