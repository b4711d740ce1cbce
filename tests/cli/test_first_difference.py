# SPDX-License-Identifier: Apache-2.0
"""``--verify`` of models that are read or computed wrongly: who differs, from which tensor on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.frontend import onnx_model
from flexpie_tvm.runtime import compile as compiler


@pytest.fixture
def model(tmp_path) -> Path:
    """Two convolutions with a Tanh of a name between them, and a sum over all of it."""
    rng = np.random.default_rng(61)
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["a"], ["b"], "second"),
        helper.make_node("Conv", ["b", "w1"], ["c"], "third", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"], "fourth"),
        helper.make_node("GlobalAveragePool", ["d"], ["y"], "fifth"),
    ]
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype("float32"), name)
        for name, shape in (("w0", (8, 3, 3, 3)), ("w1", (6, 8, 3, 3)))
    ]
    value = helper.make_tensor_value_info
    inputs = [value("image", TensorProto.FLOAT, [1, 3, 12, 12])]
    outputs = [value("y", TensorProto.FLOAT, [1, 6, 1, 1])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    path = tmp_path / "net.onnx"
    onnx.save(made, str(path))
    return path


class AnotherFunction(relay.ExprMutator):
    """Every tanh computed as a sigmoid."""

    def visit_call(self, call):
        call = super().visit_call(call)
        return relay.sigmoid(*call.args) if call.op == relay.op.get("tanh") else call


def with_another_function(mod: tvm.IRModule) -> tvm.IRModule:
    return tvm.IRModule(
        {var: AnotherFunction().visit(function) for var, function in mod.functions.items()},
        attrs=mod.attrs,
    )


def command(model: Path, *more: str) -> list[str]:
    where = ["--local", "--boards", "2", "--scheme", "InH", "--repeat", "1"]
    return ["run", str(model), *where, "--verify", *more]


def test_a_node_that_is_misread_is_named(model, monkeypatch, capsys):
    """All boards share the importer; onnxruntime does not."""
    right = onnx_model.import_onnx

    def misread(proto, shapes, path):
        wrong = onnx.ModelProto()
        wrong.CopyFrom(proto)
        wrong.graph.node[1].op_type = "Sigmoid"
        return right(wrong, shapes, path)

    monkeypatch.setattr(onnx_model, "import_onnx", misread)
    assert run_command(command(model)) == 1
    said = capsys.readouterr().err
    assert "one board's with onnxruntime by" in said
    assert "with TVM" not in said
    assert "with flexpie" not in said
    assert "flexpie on one board and onnxruntime first differ at tensor 'b' of Tanh" in said


def test_answers_that_only_several_boards_get_wrong_are_told_apart(model, monkeypatch, capsys):
    """A fault of partitioning: one board is right by every engine."""
    right = compiler.lower

    def wrong(annotated):
        lowered = right(annotated)
        boards = lowered.boards
        if len(boards) > 1:
            boards = tuple(map(with_another_function, boards))
        return replace(lowered, boards=boards)

    monkeypatch.setattr(compiler, "lower", wrong)
    assert run_command(command(model)) == 1
    said = capsys.readouterr().err
    for engine in ("TVM", "flexpie", "onnxruntime"):
        assert f"with {engine} by" in said
    assert "several boards and onnxruntime first differ at tensor 'b' of Tanh 'second'" in said


def test_right_answers_are_not_looked_into(model, monkeypatch, tmp_path):
    monkeypatch.setattr("flexpie_tvm.cli.run.where_it_differs", None)
    metrics = tmp_path / "metrics.json"
    assert run_command(command(model, "--json", str(metrics))) == 0
    assert max(json.loads(metrics.read_text())["rel_err"].values()) < 1e-5
