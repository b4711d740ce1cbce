# SPDX-License-Identifier: Apache-2.0
"""Models in their plainest form: what is left to import, and what is refused in one sentence."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.canonical import canonical
from flexpie_tvm.frontend.canonical_walk import static_shape
from flexpie_tvm.frontend.onnx_model import fix_shapes, import_onnx
from flexpie_tvm.testing.tiles import run_module

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def info(name, shape=(2, 3), kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, weights=(), inputs=None, outputs=("y",), opset=17, functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        inputs or [info("x")],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(weights).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    made = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    made.ir_version = 10
    return made


def plain(made, knows=lambda step: True):
    return canonical(made, fix_shapes(made, {}, "m"), knows)


def operators(found):
    return [step.node.op_type for step in found.steps]


def check_answers(made, seed=0):
    """Our import answers as onnxruntime does."""
    rng = np.random.default_rng(seed)
    feeds = {
        v.name: rng.standard_normal([d.dim_value for d in v.type.tensor_type.shape.dim]).astype(
            "float32"
        )
        for v in made.graph.input
    }
    expected = onnxruntime.InferenceSession(made.SerializeToString()).run(None, feeds)
    found = run_module(import_onnx(made, fix_shapes(made, {}, "m"), "m"), feeds)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_shapes_and_constants_say_is_not_left_to_the_importer():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["y"]),
        helper.make_node("Relu", ["x"], ["unread"]),
    ]
    found = plain(model(nodes, {"zero": np.array([0]), "rest": np.array([3, 1])}))
    assert operators(found) == ["Reshape"]
    np.testing.assert_array_equal(numpy_helper.to_array(found.constants["to"]), [2, 3, 1])
    assert static_shape(found.types["y"]) == (2, 3, 1)


def test_random_numbers_and_quantized_weights_are_left_as_they_are():
    nodes = [
        helper.make_node("RandomNormal", [], ["r"], shape=[2, 3]),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Sum", ["x", "r", "w"], ["y"]),
    ]
    weights = {"q": np.ones((2, 3), "int8"), "scale": np.float32(0.5)}
    assert operators(plain(model(nodes, weights))) == ["RandomNormal", "DequantizeLinear", "Sum"]


@pytest.mark.parametrize("taken", [True, False])
def test_a_branch_whose_condition_is_known_is_taken(taken):
    def branch(operator):
        node = helper.make_node(operator, ["x"], ["inner"])
        return helper.make_graph([node], operator, [], [info("inner")])

    nodes = [
        helper.make_node("If", ["c"], ["z"], then_branch=branch("Relu"), else_branch=branch("Abs")),
        helper.make_node("Neg", ["z"], ["y"]),
    ]
    made = model(nodes, {"c": np.array(taken)})
    assert operators(plain(made)) == ["Relu" if taken else "Abs", "Identity", "Neg"]
    check_answers(made)


def loop(count, going="go", opset=17):
    """y = x + 0 + 1 + ... ; rows = every sum on the way."""
    body = helper.make_graph(
        [
            helper.make_node("Cast", ["i"], ["f"], to=FLOAT),
            helper.make_node("Add", ["sum", "f"], ["more"]),
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Mul", ["more", "more"], ["row"]),
        ],
        "body",
        [info("i", (), INT64), info("go", (), BOOL), info("sum")],
        [info(going if going != "go" else "on", (), BOOL), info("more"), info("row")],
    )
    node = helper.make_node("Loop", ["count", "", "x"], ["y", "rows"], body=body)
    return model([node], {"count": np.array(count)}, outputs=("y", "rows"), opset=opset)


@pytest.mark.parametrize("opset", [11, 17])
def test_a_loop_of_known_length_is_written_out(opset):
    made = loop(3, opset=opset)
    found = operators(plain(made))
    assert "Loop" not in found
    assert found.count("Add") == 3
    check_answers(made)


def test_control_that_depends_on_data_is_refused():
    made = loop(3)
    made.graph.input.append(info("count", (), INT64))
    del made.graph.initializer[:]
    with pytest.raises(ModelError, match=r"Loop 'y' depends on data"):
        plain(made)


def test_functions_are_inlined():
    swish = helper.make_function(
        "own",
        "Swish",
        ["a"],
        ["b"],
        [helper.make_node("Sigmoid", ["a"], ["s"]), helper.make_node("Mul", ["a", "s"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [
        helper.make_node("Swish", ["x"], ["z"], domain="own"),
        helper.make_node("Swish", ["z"], ["y"], domain="own"),
    ]
    made = model(nodes, functions=[swish])
    assert operators(plain(made)) == ["Sigmoid", "Mul"] * 2
    check_answers(made)


def test_what_the_importer_lacks_is_written_as_the_standard_does():
    node = helper.make_node("Celu", ["x"], ["y"], alpha=0.7)
    made = model([node])
    found = plain(made, lambda step: step.node.op_type != "Celu")
    assert "Celu" not in operators(found)
    assert "Elu" in operators(found)
    assert operators(plain(made)) == ["Celu"]


def test_nodes_are_sorted():
    nodes = [
        helper.make_node("Neg", ["z"], ["y"]),
        helper.make_node("Relu", ["x"], ["z"]),
    ]
    assert operators(plain(model(nodes))) == ["Relu", "Neg"]
    nodes[1].input[0] = "y"
    with pytest.raises(ModelError, match=r"need each other: .*Neg 'y'"):
        plain(model(nodes))


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (helper.make_node("Relu", ["x", "x"], ["y"], "bad"), "Relu 'bad' is not valid ONNX"),
        (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0]), "Transpose 'y' does not fit"),
        (helper.make_node("Relu", ["nowhere"], ["y"]), "'nowhere' is computed nowhere"),
        (helper.make_node("Nothing", ["x"], ["y"], domain="own"), "Nothing 'y'.* not known"),
        (helper.make_node("NonZero", ["x"], ["y"]), "NonZero 'y'.*depends on data"),
        (
            helper.make_node("NonMaxSuppression", ["boxes", "scores", "n"], ["y"]),
            r"NonMaxSuppression 'y': .*'boxes', 'scores'",
        ),
    ],
)
def test_refusals_name_the_node(node, reason):
    inputs = [info("x"), info("boxes", (1, 6, 4)), info("scores", (1, 1, 6))]
    made = model([node], {"n": np.array([2])}, inputs)
    with pytest.raises(ModelError, match=reason):
        import_onnx(made, fix_shapes(made, {}, "m"), "m")


@pytest.mark.parametrize(
    ("kind", "shape", "reason"),
    [
        (TensorProto.STRING, (2, 3), "input 'x' is of type string"),
        (FLOAT, (2, 0), r"'x' of 'm' is \[2, 0\]: a tensor without elements"),
    ],
)
def test_inputs_that_boards_cannot_have(kind, shape, reason):
    made = model([helper.make_node("Identity", ["x"], ["y"])], inputs=[info("x", shape, kind)])
    with pytest.raises(ModelError, match=reason):
        import_onnx(made, fix_shapes(made, {}, "m"), "m")
