# SPDX-License-Identifier: Apache-2.0
"""The whole model on one board by TVM alone, by us and by onnxruntime."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import flexpie_tvm
from flexpie_tvm.runtime import (
    ENGINES,
    TOLERANCE,
    Cluster,
    OnnxruntimeBoard,
    beside_local_boards,
    build_whole,
    engines,
    fastest,
    largest_error,
    measure_engine,
)

SHAPE = (1, 3, 12, 12)


def save(path: Path, shift: float) -> Path:
    """A convolution, scales and a sigmoid.

    Stock TVM calls the C library's expf, we do not; onnxruntime moves scales into weights.
    """
    rng = np.random.default_rng(41)
    weights = [
        numpy_helper.from_array((rng.normal(size=(16, 3, 3, 3)) / 5).astype("float32"), "w"),
        numpy_helper.from_array(np.full(16, shift, "float32"), "b"),
        numpy_helper.from_array(rng.uniform(0.9, 1.1, (1, 16, 1, 1)).astype("float32"), "s"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["c", "s"], ["m"]),
        helper.make_node("Sigmoid", ["m"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "gate",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 16, 12, 12))],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(42).normal(size=SHAPE).astype("float32")}


@pytest.fixture(scope="module")
def whole(target, tmp_path_factory):
    """The model, compiled by TVM alone and by us."""
    folder = tmp_path_factory.mktemp("whole")
    path = save(folder / "gate.onnx", 0.0)
    mod = flexpie_tvm.load_onnx(path)
    optimized = flexpie_tvm.FlexPiePreOptimize(target)(mod)
    return build_whole(mod, optimized, target, path, folder)


@pytest.fixture(scope="module")
def session(boards):
    with Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster:
        yield cluster.sessions[0]


def here(
    path: Path, inputs: dict, level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
) -> np.ndarray:
    """What onnxruntime answers in this process, with one thread."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.intra_op_num_threads = level, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def test_three_engines_answer_and_are_different_programs(whole, session, boards, inputs):
    by_onnxruntime = partial(beside_local_boards, boards)
    opened = engines(whole, session, inputs, by_onnxruntime)
    assert tuple(opened) == ENGINES == ("TVM", "flexpie", "onnxruntime")
    found = {name: measure_engine(one, inputs, 3) for name, one in opened.items()}
    expected = here(whole.model, inputs)
    for one in found.values():
        assert not one.missing
        assert len(one.ms) == 3
        assert 0 < min(one.ms) <= one.median_ms
        assert largest_error(one.answers, [expected]) < 1e-6
    # TVM's library alone calls the C library's function, and only that library answers so
    assert b"\0expf\0" in whole.library.read_bytes()
    assert b"\0expf\0" not in whole.artifact.library(0).read_bytes()
    tvm, ours, alien = (found[name].answers[0] for name in ENGINES)
    assert not np.array_equal(tvm, ours)
    np.testing.assert_array_equal(alien, expected)
    assert not np.array_equal(alien, tvm)
    assert not np.array_equal(alien, ours)


def test_a_board_without_onnxruntime_is_said(whole, session, inputs):
    opened = engines(whole, session, inputs, lambda: nullcontext(session))
    found = measure_engine(opened["onnxruntime"], inputs, 3)
    assert (found.ms, found.answers, found.missing) == ([], [], "not on the board")
    assert found.median_ms is None
    assert fastest({"TVM": 2.0, "flexpie": 3.0, "onnxruntime": found.median_ms}) == "TVM"


def test_onnxruntime_is_no_judge_of_what_it_does_not_know_itself(
    whole, boards, inputs, target, tmp_path
):
    with beside_local_boards(boards) as place:
        with OnnxruntimeBoard(place, whole.model, inputs, target) as board:
            assert 0 <= board.doubt(inputs) < TOLERANCE / 2
        # all answers within 1e-6 of 0, where its sigmoid is a difference of numbers close to 1
        path = save(tmp_path / "shut.onnx", -16.0)
        with OnnxruntimeBoard(place, path, inputs, target) as board:
            (answer,) = board.run(inputs)
            assert 0 < np.ptp(answer) < 1e-4
            doubt = board.doubt(inputs)
    plain = here(path, inputs, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    assert doubt == largest_error([plain], [answer]) > 0
