# SPDX-License-Identifier: Apache-2.0
"""Small models of odd forms, from the ONNX file to three boards."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

import flexpie_tvm
from flexpie_tvm.frontend.onnx_model import output_names, read_onnx
from flexpie_tvm.runtime import Cluster, relative_error, run_whole

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IMAGE = ("x", FLOAT, [1, 3, 8, 8])
MAP = ("c", FLOAT, [1, 8, 8, 8])


def conv(name: str = "x"):
    return helper.make_node("Conv", [name, "w"], ["c"], pads=[1, 1, 1, 1])


def constant(name: str):
    value = numpy_helper.from_array(np.arange(6, dtype="float32").reshape(2, 3))
    return helper.make_node("Constant", [], [name], value=value)


MODELS = {
    "an output that is an input": ([conv()], [IMAGE], [MAP, IMAGE]),
    "an output that is a constant": ([conv(), constant("k")], [IMAGE], [("k", FLOAT, [2, 3]), MAP]),
    "a scalar input": (
        [conv(), helper.make_node("Mul", ["c", "s"], ["y"])],
        [IMAGE, ("s", FLOAT, [])],
        [("y", FLOAT, [1, 8, 8, 8])],
    ),
    "a scalar output": (
        [conv(), helper.make_node("ReduceSum", ["c"], ["y"], keepdims=0)],
        [IMAGE],
        [("y", FLOAT, []), MAP],
    ),
    "a scalar in the middle": (
        [
            conv(),
            helper.make_node("ReduceMax", ["c"], ["m"], keepdims=0),
            helper.make_node("Div", ["c", "m"], ["y"]),
        ],
        [IMAGE],
        [("y", FLOAT, [1, 8, 8, 8])],
    ),
    "an input without effect": (
        [
            conv(),
            helper.make_node("Shape", ["u"], ["n0"]),
            helper.make_node("Cast", ["n0"], ["n1"], to=FLOAT),
            helper.make_node("ReduceSum", ["n1"], ["n2"], keepdims=0),
            helper.make_node("Mul", ["c", "n2"], ["y"]),
        ],
        [IMAGE, ("u", FLOAT, [2, 3])],
        [("y", FLOAT, [1, 8, 8, 8])],
    ),
    "an input with the name of a weight": ([conv("p0")], [("p0", *IMAGE[1:])], [MAP]),
    "an input with a name that is not ASCII": ([conv("é:0")], [("é:0", *IMAGE[1:])], [MAP]),
    "a layout that TVM gets wrong": (
        [conv(), helper.make_node("TopK", ["c", "n"], ["v", "i"], axis=1)],
        [IMAGE],
        [("v", FLOAT, [1, 3, 8, 8]), ("i", INT64, [1, 3, 8, 8])],
    ),
}
# TVM 0.19 itself cannot compile or feed these
WITHOUT_STOCK = ("a layout that TVM gets wrong", "an input with the name of a weight")


def save(folder, nodes, inputs, outputs):
    weights = np.random.default_rng(1).normal(size=(8, 3, 3, 3)).astype("float32")
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([3]), "n")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(folder / "odd.onnx"))
    return folder / "odd.onnx"


@pytest.mark.parametrize("what", MODELS)
def test_odd_models_give_one_board_s_answers(what, boards, target, tmp_path):
    path = save(tmp_path, *MODELS[what])
    whole = flexpie_tvm.load_onnx(path)
    laid_out = flexpie_tvm.FlexPiePreOptimize(target)(whole)
    annotated = flexpie_tvm.FlexPiePartition(3, "InH")(laid_out)
    names = output_names(read_onnx(path))
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "odd.flexpie", names)
    rng = np.random.default_rng(2)
    inputs = {p.name: rng.normal(size=p.shape).astype(p.dtype) for p in artifact.inputs}
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 3) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        answers = deployment.run(inputs)
    expected = reference(what, whole, target, path, inputs)
    assert len(answers) == len(expected) == len(MODELS[what][2])
    for answer, wanted in zip(answers, expected, strict=True):
        assert relative_error(answer, wanted) < 1e-5


def reference(what, whole, target, path, inputs):
    if what not in WITHOUT_STOCK:
        return run_whole(whole, target, inputs)
    import onnxruntime

    return onnxruntime.InferenceSession(str(path)).run(None, inputs)


def test_a_model_with_weights_in_another_file_is_kept_whole(target, tmp_path):
    path = save(tmp_path, *MODELS["an output that is an input"])
    beside = tmp_path / "beside"
    beside.mkdir()
    onnx.save(
        onnx.load(path),
        str(beside / "odd.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    annotated = flexpie_tvm.FlexPiePartition(1)(flexpie_tvm.load_onnx(beside / "odd.onnx"))
    artifact = flexpie_tvm.build(
        annotated, target, tmp_path / "odd.flexpie", model=beside / "odd.onnx"
    )
    kept = {w.name: numpy_helper.to_array(w) for w in read_onnx(artifact.model).graph.initializer}
    stored = {w.name: numpy_helper.to_array(w) for w in read_onnx(path).graph.initializer}
    np.testing.assert_array_equal(kept["w"], stored["w"])


def test_answers_that_are_not_finite():
    one, nan, inf = (np.array([1.0, x, 3.0], "float32") for x in (2.0, np.nan, np.inf))
    assert relative_error(nan, nan) == relative_error(inf, inf) == 0
    assert not relative_error(nan, one) <= 1e-4
    assert not relative_error(one, nan) <= 1e-4
    assert not relative_error(inf, one) <= 1e-4
    assert not relative_error(one[:2], one) <= 1e-4


def test_what_boards_exchange_may_be_added_to_itself(target, boards, tmp_path):
    """TVM writes it as twice what is exchanged, and with that copied the exchange."""
    x = relay.var("x", shape=(1, 4, 8, 8))
    y = relay.nn.max_pool2d(relay.nn.relu(x), (3, 3), padding=(1, 1))
    rows = relay.cumsum(y, 2)  # of all boards' rows
    body = relay.add(rows, rows)
    image = np.random.default_rng(3).normal(size=(1, 4, 8, 8)).astype("float32")
    module = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], body)))
    annotated = flexpie_tvm.FlexPiePartition(2, "InH")(module)
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "twice.flexpie")
    assert artifact.bytes_exchanged > 0
    tracker = boards.host, boards.port
    with (
        Cluster.connect(tracker, boards.key, 2) as cluster,
        cluster.deploy(artifact, deadline=10) as deployment,
    ):
        (answer,) = deployment.run({"x": image})
    framed = np.pad(np.maximum(image, 0), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), (2, 3))
    expected = 2 * np.cumsum(windows.max((4, 5)), 2)
    assert relative_error(answer, expected) < 1e-6
