# SPDX-License-Identifier: Apache-2.0
"""Damaged files of every kind: refused in one sentence, or harmless.

`benchmarks/damaged.py` tries thousands; here are a few, and those that were found to matter.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.errors import ModelError, PlanError
from flexpie_tvm.frontend.constant_sizes import check_constants
from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.plan import load_cluster, load_plan
from flexpie_tvm.testing.damage import damaged_bytes, damaged_tree
from flexpie_tvm.testing.damage_subject import make_subject
from flexpie_tvm.testing.damage_trials import TRIALS, Subject, try_one

CASES = {"plan": 100, "cluster": 60, "artifact": 60, "cost": 8, "onnx": 25}


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Subject:
    return make_subject(tmp_path_factory.mktemp("right"))


@pytest.mark.parametrize("kind", TRIALS)
def test_damage_ends_in_a_sentence_or_does_no_harm(subject, tmp_path, kind):
    trials = [try_one(kind, subject, 10_000 + seed, tmp_path) for seed in range(CASES[kind])]
    assert [trial for trial in trials if not trial.right] == []
    outcomes = {trial.outcome for trial in trials}
    assert "refused" in outcomes  # or nothing was damaged
    assert kind == "cost" or "accepted" in outcomes  # or nothing but noise was tried


@pytest.mark.parametrize(
    "text",
    [
        f"boards = 2\nbandwidth = {'9' * 400}",
        "boards = 2\nlatency = inf",
        f'[[board]]\nmemory = "{"9" * 400}GB"',
        f"[[board]]\nspeed = {'9' * 400}",
        "[[board]]\nmemory = inf",
        "[[board]]\nmemory = nan",
    ],
)
def test_numbers_of_a_cluster_that_are_beyond_floats(tmp_path, text):
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    with pytest.raises(PlanError):
        load_cluster(file)


def test_numbers_of_a_plan_that_are_beyond_floats(subject, tmp_path):
    plan = json.loads(subject.plan.read_text())
    plan["cluster"]["bandwidth"] = 10**400
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    with pytest.raises(PlanError, match="is damaged"):
        load_plan(file)


@pytest.mark.parametrize(
    ("operator", "image", "weight", "attributes", "said"),
    [
        ("Conv", (1, 4, 8, 8), (4, 4, 3, 3), {"strides": [0, 1]}, r"strides \[0, 1\]: give 1"),
        ("Conv", (1, 4, 8, 8), (4, 4, 3, 3), {"dilations": [1, -1]}, "give 1 or more each"),
        ("Conv", (1, 4, 8, 8), (4, 4, 3, 3), {"strides": [1]}, "for an input of 4 axes"),
        ("Conv", (1, 4), (4, 4, 3, 3), {}, "slides over an input of 2 axes"),
        ("Conv", (1, 4, 8), (4, 4, 3, 3), {}, "a weight of 4 axes for an input of 3"),
        ("MaxPool", (1, 4, 8, 8), None, {"kernel_shape": [2, 2], "strides": [0, 0]}, "strides"),
        ("AveragePool", (1, 4, 8, 8), None, {"kernel_shape": [0, 2]}, "kernel_shape"),
    ],
)
def test_windows_over_which_onnx_itself_ends_the_process(
    tmp_path, operator, image, weight, attributes, said
):
    names, rng = ["x"] if weight is None else ["x", "w"], np.random.default_rng(0)
    node = helper.make_node(operator, names, ["y"], **attributes)
    held = rng.normal(size=weight or ()).astype("float32")
    graph = helper.make_graph(
        [node],
        "window",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(held, "w")] if weight else [],
    )
    file = tmp_path / "window.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(file))
    with pytest.raises(ModelError, match=said):
        load_onnx(file)


def constant(count: int, kind: int, raw: bool, dims=(2,)) -> onnx.TensorProto:
    """So many numbers that say that they are as many as `dims`."""
    held = np.arange(1, count + 1).astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    tensor = numpy_helper.from_array(held, "to")
    if not raw:
        field = onnx.helper.tensor_dtype_to_field(kind)
        tensor.ClearField("raw_data")
        getattr(tensor, field).extend(held.tolist())
    del tensor.dims[:]
    tensor.dims.extend(dims)
    return tensor


def reshaped(to: onnx.TensorProto, held: str, path):
    """A model that reshapes to what a constant says, held in one of the places of constants."""
    nodes = [helper.make_node("Reshape", ["x", "to"], ["y"])]
    if held == "node":
        nodes.insert(0, helper.make_node("Constant", [], ["to"], value=to))
    graph = helper.make_graph(
        nodes,
        "reshape",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 1))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [to] if held == "initializer" else [],
    )
    if held == "branch":
        nodes[-1].output[0] = "inside"
        result = helper.make_tensor_value_info("inside", TensorProto.FLOAT, None)
        inner = helper.make_graph(nodes, "inner", [], [result], [to])
        choice = numpy_helper.from_array(np.array(True), "choice")
        graph = helper.make_graph(
            [helper.make_node("If", ["choice"], ["y"], then_branch=inner, else_branch=inner)],
            "outer", graph.input, graph.output, [choice],
        )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(path))
    return path


@pytest.mark.parametrize("held", ["initializer", "node", "branch"])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_constants_beyond_whose_end_onnx_itself_reads(tmp_path, held, raw, count):
    file = reshaped(constant(count, TensorProto.INT64, raw), held, tmp_path / "constant.onnx")
    found = f"{8 * count} bytes of data, not 16" if raw else f"{count} entries of data, not 2"
    with pytest.raises(ModelError, match=rf"constant '.*' of shape \[2\] has {found}"):
        load_onnx(file)
    right = reshaped(constant(2, TensorProto.INT64, raw), held, tmp_path / "right.onnx")
    assert load_onnx(right) is not None


def test_an_operator_whose_name_has_two_lines_is_refused_in_one(tmp_path):
    node = helper.make_node("Co\nnv", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy")
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"Co nv.*not known") as refused:
        load_onnx(tmp_path / "m.onnx", {})
    assert "\n" not in str(refused.value)


def test_a_damaged_constant_ends_no_process(tmp_path):
    """The bytes over which onnx ended the process."""
    to = constant(2, TensorProto.INT64, True)
    to.raw_data = to.raw_data[:6]
    with pytest.raises(ModelError, match="has 6 bytes of data, not 16: the file is damaged"):
        load_onnx(reshaped(to, "initializer", tmp_path / "constant.onnx"))


@pytest.mark.parametrize("kind", [
    TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT16, TensorProto.BFLOAT16,
    TensorProto.COMPLEX64, TensorProto.BOOL, TensorProto.INT8, TensorProto.DOUBLE,
    TensorProto.FLOAT8E4M3FN,
])  # fmt: skip
@pytest.mark.parametrize("raw", [True, False])
def test_constants_of_every_type_are_measured_right(kind, raw):
    values = [1, 0, 1, 1, 0]
    held = onnx.helper.make_tensor("held", kind, (5,), values)
    if raw:
        made = np.array(values).astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        held = numpy_helper.from_array(made, "held")
    model = helper.make_model(helper.make_graph([], "one", [], [], [held]))
    check_constants(model)
    model.graph.initializer[0].dims[0] = 9
    with pytest.raises(ModelError, match="constant 'held'"):
        check_constants(model)


def test_a_reader_that_takes_wrong_answers_in_would_be_found(subject, tmp_path, monkeypatch):
    """The trials themselves: with a check taken away, some must fail."""
    monkeypatch.setattr("flexpie_tvm.runtime.artifact._check_files", lambda *_: None)
    monkeypatch.setattr("flexpie_tvm.runtime.artifact.digest", lambda m: m.get("digest"))
    trials = [try_one("artifact", subject, seed, tmp_path) for seed in range(60)]
    assert "another artifact than was saved" in {trial.outcome for trial in trials}


def test_damage_is_repeatable_and_damages():
    data = np.random.default_rng(1).bytes(500)
    made = [damaged_bytes(data, np.random.default_rng(seed)) for seed in range(50)]
    assert made == [damaged_bytes(data, np.random.default_rng(seed)) for seed in range(50)]
    assert sum(text != data for text in made) > 45
    tree = {"a": [1, {"b": "c"}], "d": {"e": [2.5, None]}}
    trees = [damaged_tree(tree, np.random.default_rng(seed)) for seed in range(50)]
    assert sum(repr(other) != repr(tree) for other in trees) > 40
