# SPDX-License-Identifier: Apache-2.0
"""Branches that data choose, and scans: as onnxruntime runs them, or refused in one sentence."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.testing.tiles import run_module

FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL


def info(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(node, inputs, outputs, opset=17):
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph([node], "g", inputs, results)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def imported(made):
    return import_onnx(made, fix_shapes(made, {}, "m"), "m")


def check_answers(made, feeds):
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, feeds)
    found = run_module(imported(made), feeds)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def choice(condition_shape, other="Abs"):
    """y = Relu(x) if c else other(x); z = x if c else 2 x."""

    def branch(name, operator, factor):
        nodes = [
            helper.make_node(operator, ["x"], [f"{name}_y"]),
            helper.make_node("Sum", ["x"] * factor, [f"{name}_z"]),
        ]
        outputs = [info(f"{name}_y", (2, 3)), info(f"{name}_z", (2, 3))]
        return helper.make_graph(nodes, name, [], outputs)

    node = helper.make_node(
        "If", ["c"], ["y", "z"], "choice",
        then_branch=branch("yes", "Relu", 1), else_branch=branch("no", other, 2),
    )  # fmt: skip
    return model(node, [info("x", (2, 3)), info("c", condition_shape, BOOL)], ["y", "z"])


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("taken", [True, False])
def test_data_choose_between_branches_of_the_same_shapes(shape, taken):
    x = np.random.default_rng(1).standard_normal((2, 3), dtype="float32")
    check_answers(choice(shape), {"x": x, "c": np.full(shape, taken)})


def test_branches_of_other_shapes_are_refused():
    # a mean of one element would be broadcast without a word
    with pytest.raises(ModelError, match=r"If 'choice' depends on data, .*\[2, 3\] and \[1, 1\]"):
        imported(choice((), "ReduceMax"))


def scan(opset=17, **attributes):
    """more = sum + element * other; y = the last sum; rows, squares = what each round gives."""
    nodes = [
        helper.make_node("Mul", ["element", "other"], ["product"]),
        helper.make_node("Add", ["sum", "product"], ["more"]),
        helper.make_node("Identity", ["more"], ["row"]),
        helper.make_node("Mul", ["more", "element"], ["square"]),
    ]
    inside = [info(name, (3,)) for name in ("sum", "element", "other")]
    results = [info(name, (3,)) for name in ("more", "row", "square")]
    body = helper.make_graph(nodes, "body", inside, results)
    names = ["start", "a", "b"] if opset >= 9 else ["", "start", "a", "b"]
    return helper.make_node(
        "Scan", names, ["y", "rows", "squares"], "scan", body=body, num_scan_inputs=2, **attributes
    )


def random(*shapes):
    rng = np.random.default_rng(2)
    names = ("start", "a", "b")
    return {
        name: rng.standard_normal(shape, dtype="float32")
        for name, shape in zip(names, shapes, strict=True)
    }


@pytest.mark.parametrize(
    ("attributes", "a"),
    [
        ({}, (4, 3)),
        ({"scan_input_directions": [1, 0], "scan_output_directions": [0, 1]}, (4, 3)),
        ({"scan_input_axes": [1, 0], "scan_output_axes": [1, 0]}, (3, 4)),
        ({"scan_input_axes": [-1, 0], "scan_output_axes": [0, -1]}, (3, 4)),
    ],
)
def test_a_scan_is_written_out(attributes, a):
    feeds = random((3,), a, (4, 3))
    inputs = [info(name, value.shape) for name, value in feeds.items()]
    check_answers(model(scan(**attributes), inputs, ["y", "rows", "squares"]), feeds)


def test_an_old_scan_is_written_out_for_one_row():
    feeds = random((1, 3), (1, 4, 3), (1, 4, 3))
    inputs = [info(name, value.shape) for name, value in feeds.items()]
    made = model(scan(8, directions=[0, 1]), inputs, ["y", "rows", "squares"], 8)
    check_answers(made, feeds)
    inputs = [info(name, (2, *value.shape[1:])) for name, value in feeds.items()]
    made = model(scan(8), inputs, ["y", "rows", "squares"], 8)
    with pytest.raises(ModelError, match="Scan 'scan' depends on data"):
        imported(made)
