# SPDX-License-Identifier: Apache-2.0
"""What ``quantize_dynamic`` makes of an LSTM answers as onnxruntime does, which made it up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.runtime.compare import largest_error
from flexpie_tvm.testing.tiles import run_module

LENGTH, FEATURES, HIDDEN = 5, 8, 12
RESULTS = ("y", "y_h", "y_c")


def lstm(folder: Path, direction: str, batch: int, states: bool = True) -> Path:
    """A random LSTM that starts from states of its own, or from zeros."""
    rng, directions = np.random.default_rng(71), 1 + (direction == "bidirectional")
    shapes = {
        "w": (directions, 4 * HIDDEN, FEATURES),
        "r": (directions, 4 * HIDDEN, HIDDEN),
        "b": (directions, 8 * HIDDEN),
        "h": (directions, batch, HIDDEN),
        "c": (directions, batch, HIDDEN),
    }
    names = ["x", "w", "r", "b", *(("", "h", "c") if states else ())]
    node = helper.make_node("LSTM", names, RESULTS, direction=direction, hidden_size=HIDDEN)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [LENGTH, batch, FEATURES])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in RESULTS]
    weights = [
        numpy_helper.from_array((0.3 * rng.normal(size=shape)).astype("float32"), name)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph([node], "lstm", [x], results, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.save(model, str(folder / "lstm.onnx"))
    return folder / "lstm.onnx"


def quantized(path: Path, per_channel: bool = False, kind: QuantType = QuantType.QInt8) -> Path:
    """The same with weights of 8 bits."""
    made = path.with_name("quantized.onnx")
    quantize_dynamic(
        path, made, op_types_to_quantize=["LSTM"], per_channel=per_channel, weight_type=kind
    )
    assert [node.op_type for node in onnx.load(str(made)).graph.node] == ["DynamicQuantizeLSTM"]
    return made


def by_onnxruntime(path: Path, x: np.ndarray) -> list[np.ndarray]:
    """On one thread: it gives several threads sequences to quantize each by its own scale."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


@pytest.mark.parametrize(
    ("direction", "batch", "per_channel", "kind", "states"),
    [
        ("forward", 3, False, QuantType.QInt8, True),
        ("bidirectional", 1, True, QuantType.QUInt8, True),
        ("reverse", 1, False, QuantType.QInt8, False),
    ],
)
def test_it_quantizes_what_it_multiplies(tmp_path, direction, batch, per_channel, kind, states):
    path = lstm(tmp_path, direction, batch, states)
    made = quantized(path, per_channel, kind)
    x = np.random.default_rng(72).normal(size=(LENGTH, batch, FEATURES)).astype("float32")
    answers = run_module(load_onnx(made), {"x": x})
    assert largest_error(answers, by_onnxruntime(made, x)) < 1e-6
    # a plain LSTM with weights that were quantized would be right only by some percent
    assert largest_error(answers, by_onnxruntime(path, x)) > 1e-3


def test_a_sequence_of_zeros_has_a_scale(tmp_path):
    made = quantized(lstm(tmp_path, "forward", 1, states=False))
    x = np.zeros((LENGTH, 1, FEATURES), "float32")
    answers = run_module(load_onnx(made), {"x": x})
    assert largest_error(answers, by_onnxruntime(made, x)) < 1e-6


def test_weights_that_are_computed_are_refused_in_a_sentence(tmp_path):
    made = quantized(lstm(tmp_path, "forward", 1))
    model = onnx.load(str(made))
    node = model.graph.node[0]
    (weights,) = (t for t in model.graph.initializer if t.name == node.input[1])
    given = helper.make_tensor_value_info("given", weights.data_type, weights.dims)
    model.graph.input.append(given)
    node.input[1] = "given"
    onnx.save(model, str(made))
    with pytest.raises(ModelError, match=r"DynamicQuantizeLSTM.*weights must be constants"):
        load_onnx(made)
