# SPDX-License-Identifier: Apache-2.0
"""The verdict on several boards, from figures that are written down here; and odd models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cli.verify import judge
from flexpie_tvm.errors import VerifyError
from flexpie_tvm.runtime import OneBoard

ANSWER = np.random.default_rng(51).normal(size=(4, 5)).astype("float32")
RANGE = float(np.ptp(ANSWER))


def one_board(ms: float, error: float = 0.0, **rest: float) -> OneBoard:
    answer = ANSWER.copy()
    answer[1, 2] += error * RANGE
    return OneBoard([ms, ms * 3, ms], [answer], **rest)


def test_the_headline_is_against_the_fastest():
    for fastest in ("TVM", "flexpie", "onnxruntime"):
        found = {name: one_board(7.0) for name in ("TVM", "flexpie", "onnxruntime")}
        found[fastest] = one_board(6.0)
        verdict = judge([ANSWER], [2.0, 4.0, 3.0], found)
        assert (verdict.fastest, verdict.speedup) == (fastest, 2.0)
        assert f"speedup: 2.00 against {fastest}, the fastest on one board" in verdict.lines()
        verdict.check()


def test_an_engine_that_was_not_measured_is_no_baseline_and_is_said():
    missing = OneBoard(missing="not on the board")
    found = {"TVM": one_board(8.0), "flexpie": one_board(6.0), "onnxruntime": missing}
    verdict = judge([ANSWER], [3.0], found)
    assert verdict.engines == {"TVM": 8.0, "flexpie": 6.0, "onnxruntime": None}
    assert verdict.missing == {"onnxruntime": "not on the board"}
    assert set(verdict.errors) == {"TVM", "flexpie"}
    first, second, *_ = verdict.lines()
    assert first == "one board: TVM 8.00 ms, flexpie 6.00 ms, onnxruntime: not on the board"
    assert second == "speedup: 2.00 against flexpie, the fastest on one board that was measured"
    verdict.check()


@pytest.mark.parametrize("side", ["TVM", "flexpie", "onnxruntime"])
@pytest.mark.parametrize("error", [1.5e-4, np.nan])
def test_a_difference_names_its_side(side, error):
    found = {name: one_board(7.0, 5e-5) for name in ("TVM", "flexpie", "onnxruntime")}
    judge([ANSWER], [3.0], found).check()
    found[side] = one_board(7.0, error)
    if side == "TVM":
        del found["onnxruntime"]  # it would tell that TVM is the one that is away
    with pytest.raises(VerifyError, match=f"one board's with {side} by ") as caught:
        judge([ANSWER], [3.0], found).check()
    assert [name for name in found if name in str(caught.value)] == [side]


def away(ms: float, at: tuple[int, int], error: float, **rest: float) -> OneBoard:
    """One board whose answer is wrong at a place of its own."""
    answer = ANSWER.copy()
    answer[at] += error * RANGE
    return OneBoard([ms], [answer], **rest)


def test_a_difference_from_tvm_does_not_count_where_tvm_is_away_from_the_standard():
    found = {"TVM": away(7.0, (0, 0), 3e-4), "flexpie": one_board(7.0)}
    found["onnxruntime"] = away(7.0, (2, 2), 6e-5)
    verdict = judge([ANSWER], [3.0], found)
    verdict.check()
    assert (verdict.beyond, verdict.sides) == (["TVM"], [])
    assert verdict.stock_error == pytest.approx(3e-4, rel=1e-2)
    (said,) = [line for line in verdict.lines() if "does not count" in line]
    assert said.startswith("TVM on one board is itself 3.0e-04 from onnxruntime")


def test_a_difference_from_tvm_counts_where_the_boards_are_further_from_the_standard():
    standard = away(7.0, (2, 2), 9e-5)
    near = standard.answers[0].copy()  # at the standard's side, as the boards are not
    near[0, 0] += 5e-5 * RANGE
    near[2, 2] += 3e-5 * RANGE
    found = {"TVM": OneBoard([7.0], [near]), "flexpie": one_board(7.0), "onnxruntime": standard}
    verdict = judge([ANSWER], [3.0], found)
    assert not any("does not count" in line for line in verdict.lines())
    with pytest.raises(VerifyError, match=r"one board's with TVM by 1\.2"):
        verdict.check()


@pytest.mark.parametrize("limit", [1e-4, 4e-3])
def test_boards_that_are_away_from_the_standard_fail_whatever_tvm_says(limit):
    found = {"TVM": away(7.0, (0, 0), 3e-3), "flexpie": one_board(7.0)}
    found["onnxruntime"] = away(7.0, (2, 2), 2e-3, limit=limit)
    with pytest.raises(VerifyError, match="one board's with TVM by") as caught:
        judge([ANSWER], [3.0], found).check()
    assert ("onnxruntime" in str(caught.value)) == (limit == 1e-4)


def test_boards_that_differ_from_our_own_kernels_fail_beside_a_witness_that_is_away():
    found = {"TVM": away(7.0, (0, 0), 3e-4), "flexpie": away(7.0, (1, 1), 2e-4)}
    found["onnxruntime"] = one_board(7.0)
    with pytest.raises(VerifyError, match="one board's with flexpie by") as caught:
        judge([ANSWER], [3.0], found).check()
    assert "TVM" not in str(caught.value)


def test_without_the_standard_tvm_always_counts():
    found = {"TVM": away(7.0, (0, 0), 3e-4), "flexpie": one_board(7.0)}
    found["onnxruntime"] = OneBoard(missing="not on the board")
    verdict = judge([ANSWER], [3.0], found)
    assert verdict.stock_error is None
    with pytest.raises(VerifyError, match="one board's with TVM by"):
        verdict.check()


def test_the_standard_may_be_computed_on_this_machine():
    found = {"TVM": away(7.0, (0, 0), 3e-4), "flexpie": one_board(7.0)}
    by = "ONNX's reference evaluator"
    found["onnxruntime"] = OneBoard(answers=[ANSWER], missing="not on the board", by=by)
    verdict = judge([ANSWER], [3.0], found)
    verdict.check()
    assert any(f"is itself 3.0e-04 from {by}" in line for line in verdict.lines())


def test_answers_of_another_number_or_shape_differ():
    found = {"TVM": one_board(7.0), "flexpie": one_board(7.0)}
    for answers in ([], [ANSWER, ANSWER], [ANSWER[:3]]):
        with pytest.raises(VerifyError, match=r"with TVM by inf.*with flexpie by inf"):
            judge(answers, [3.0], found).check()


def test_a_wider_limit_is_said():
    found = {"TVM": one_board(7.0), "onnxruntime": one_board(7.0, 2e-3, limit=4e-3)}
    verdict = judge([ANSWER], [3.0], found)
    verdict.check()
    assert verdict.lines()[-1].startswith("onnxruntime's limit is 4e-03: its own answers differ")


def several_inputs(path: Path) -> Path:
    """Ids into a table, a mask, a scalar and an image whose batch is not fixed."""
    rng = np.random.default_rng(52)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Where", ["mask", "words", "scale"], ["chosen"]),
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["c"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Add", ["chosen", "mean"], ["y"]),
    ]
    weights = {"table": (20, 8), "w": (8, 3, 3, 3)}
    inputs = [
        ("ids", TensorProto.INT32, ["n"]),
        ("mask", TensorProto.BOOL, ["n", 8]),
        ("scale", TensorProto.FLOAT, []),
        ("image", TensorProto.FLOAT, ["n", 3, 10, 10]),
    ]
    graph = helper.make_graph(
        nodes,
        "several",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [
            numpy_helper.from_array(rng.normal(size=shape).astype("float32"), name)
            for name, shape in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def test_several_inputs_of_several_kinds_go_to_all_engines(tmp_path, capsys):
    rng, inputs, metrics = np.random.default_rng(53), tmp_path / "x.npz", tmp_path / "m.json"
    np.savez(
        inputs,
        ids=rng.integers(0, 20, 1).astype("int32"),
        mask=rng.integers(0, 2, (1, 8)).astype(bool),
        scale=rng.normal(size=()).astype("float32"),
        image=rng.normal(size=(1, 3, 10, 10)).astype("float32"),
    )
    shapes = ["ids=1", "mask=1x8", "image=1x3x10x10"]
    command = ["run", str(several_inputs(tmp_path / "several.onnx")), "--local", "--boards", "2"]
    command += [part for shape in shapes for part in ("--shape", shape)]
    command += ["--scheme", "InH", "--input", str(inputs), "--repeat", "2", "--verify"]
    assert run_command([*command, "--json", str(metrics)]) == 0, capsys.readouterr().err
    read = json.loads(metrics.read_text())
    assert read["single_board_missing"] == {}
    assert min(read["single_board"].values()) > 0
    assert max(read["rel_err"].values()) < 1e-5
    assert read["tvm_from_onnxruntime"] < 1e-5


def test_a_model_that_tvm_alone_does_not_compile_is_held_against_the_others(tmp_path, capsys):
    """It concatenates a tensor with a moved view of itself."""
    rng, metrics, path = np.random.default_rng(54), tmp_path / "m.json", tmp_path / "moved.onnx"
    nodes = [
        helper.make_node("Relu", ["image"], ["active"]),
        helper.make_node("Slice", ["active", "start", "stop", "axis"], ["part"]),
        helper.make_node("Pad", ["part", "pads"], ["moved"]),
        helper.make_node("Concat", ["active", "moved"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {
        "start": np.array([3]), "stop": np.array([12]), "axis": np.array([3]),
        "pads": np.array([0, 0, 0, 0, 0, 0, 0, 3]),
        "w": rng.normal(size=(4, 16, 3, 3)).astype("float32"),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "moved",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 8, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 12, 12])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    command = ["run", str(path), "--local", "--boards", "2", "--scheme", "InH", "--repeat", "1"]
    assert run_command([*command, "--verify", "--json", str(metrics)]) == 0
    read = json.loads(metrics.read_text())
    assert "does not compile" in read["single_board_missing"]["tvm"]
    assert read["max_rel_err"] is None
    assert read["rel_err"]["onnxruntime"] < 1e-5
    assert "TVM: it does not compile the model" in capsys.readouterr().out
