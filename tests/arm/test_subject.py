# SPDX-License-Identifier: Apache-2.0
"""The file that all engines are given, from files of every age."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.lab.bench.networks import Network
from flexpie_tvm.lab.counting.subject import subject_of


@pytest.fixture
def old(tmp_path):
    """A file of version 3, with weights among its inputs and an open batch."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(size=(4, 3, 3, 3)), "b": rng.normal(size=4)}
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8]),
        *(helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in weights.items()),
    ]
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 6, 6])
    stored = [numpy_helper.from_array(v.astype("float32"), n) for n, v in weights.items()]
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"])
    graph = helper.make_graph([conv], "old", infos, [answer], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])
    model.ir_version = 3
    path = tmp_path / "old.onnx"
    onnx.save(model, str(path))
    return Network("old", path, {"x": (1, 3, 8, 8)})


def test_only_inputs_are_left_and_their_shapes_are_static(old, tmp_path):
    subject = subject_of(old, tmp_path)
    (given,) = onnx.load(str(subject.path)).graph.input
    assert [d.dim_value for d in given.type.tensor_type.shape.dim] == [1, 3, 8, 8]
    assert {name: value.shape for name, value in subject.inputs.items()} == {"x": (1, 3, 8, 8)}
    assert len(np.unique(subject.inputs["x"])) > 100


def test_it_answers_as_the_file_that_was_given(old, tmp_path):
    subject = subject_of(old, tmp_path)
    session = onnxruntime.InferenceSession(str(old.path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, dict(subject.inputs))
    np.testing.assert_array_equal(subject.answers[0], expected)


def test_multiply_accumulates_of_a_convolution(old, tmp_path):
    assert subject_of(old, tmp_path).multiply_accumulates == (4 * 6 * 6) * (3 * 3 * 3)
