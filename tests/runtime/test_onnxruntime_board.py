# SPDX-License-Identifier: Apache-2.0
"""onnxruntime in a server of its own beside local boards."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.errors import EngineError
from flexpie_tvm.runtime import Cluster, OnnxruntimeBoard
from flexpie_tvm.runtime.local import local_server
from flexpie_tvm.runtime.onnxruntime_board import SERVER

RNG = np.random.default_rng(31)
TABLE = numpy_helper.from_array(RNG.normal(size=(50, 4)).astype("float32"), "table")
#: ids, a mask, a scalar and an image: a tensor, a scalar, an input that is also an output.
NODES = [
    helper.make_node("Gather", ["table", "ids"], ["words"]),
    helper.make_node("Where", ["mask", "words", "scale"], ["chosen"]),
    helper.make_node("Add", ["chosen", "image"], ["sum"]),
    helper.make_node("ReduceMax", ["sum"], ["largest"], keepdims=0),
    helper.make_node("ArgMax", ["sum"], ["where"], axis=-1, keepdims=0),
]
INPUTS = [
    ("ids", TensorProto.INT64, ["batch", 5]),
    ("mask", TensorProto.BOOL, ["batch", 5, 4]),
    ("scale", TensorProto.FLOAT, []),
    ("image", TensorProto.FLOAT, ["batch", 5, 4]),
]
OUTPUTS = [
    ("sum", TensorProto.FLOAT, None),
    ("largest", TensorProto.FLOAT, []),
    ("where", TensorProto.INT64, None),
    ("mask", TensorProto.BOOL, None),
]


def save(path: Path, nodes=NODES) -> Path:
    graph = helper.make_graph(
        nodes,
        "several",
        [helper.make_tensor_value_info(*value) for value in INPUTS],
        [helper.make_tensor_value_info(*value) for value in OUTPUTS],
        [TABLE],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


def some_inputs(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "ids": rng.integers(0, 50, (2, 5)),
        "mask": rng.integers(0, 2, (2, 5, 4)).astype(bool),
        "scale": rng.normal(size=()).astype("float32"),
        "image": rng.normal(size=(2, 5, 4)).astype("float32"),
    }


@pytest.fixture(scope="module")
def session(boards):
    """A board whose server knows onnxruntime, with two threads."""
    key = f"onnxruntime-{os.getpid()}"
    with (
        local_server(SERVER, (boards.host, boards.port), key, threads=2),
        Cluster.connect((boards.host, boards.port), key, 1) as cluster,
    ):
        yield cluster.sessions[0]


def test_every_kind_of_input_is_answered_anew(session, target, tmp_path):
    path = save(tmp_path / "several.onnx")
    here = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with OnnxruntimeBoard(session, path, some_inputs(0), target) as board:
        for seed in (1, 2):
            inputs = some_inputs(seed)
            expected = here.run(None, inputs)
            answers = board.run(inputs)
            assert len(answers) == len(expected) == len(OUTPUTS)
            for answer, wanted in zip(answers, expected, strict=True):
                assert answer.shape == wanted.shape
                assert answer.dtype == wanted.dtype
                np.testing.assert_array_equal(answer, wanted)
        assert len(board.latency(inputs, 3)) == 3


def test_another_process_computes_with_the_threads_of_a_board(
    session, small_onnx, small_inputs, small_answer, target
):
    with OnnxruntimeBoard(session, small_onnx, small_inputs, target) as board:
        (answer,) = board.run(small_inputs)
        assert board.version == onnxruntime.__version__
        assert board.threads == 2
        assert board.process != os.getpid()
        assert "onnxruntime_pybind11_state" in Path(f"/proc/{board.process}/maps").read_text()
    difference = np.abs(answer - small_answer).max()
    assert 0 < difference < 1e-5 * np.ptp(small_answer)  # another program's answer


def test_a_stock_board_says_that_it_has_none(boards, small_onnx, small_inputs, target):
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster,
        pytest.raises(EngineError, match=r"^not on the board$"),
    ):
        OnnxruntimeBoard(cluster.sessions[0], small_onnx, small_inputs, target)


def test_what_onnxruntime_refuses_is_one_sentence(session, target, tmp_path):
    unknown = helper.make_node("Unheard", ["image"], ["sum"], domain="of.ours")
    path = save(tmp_path / "unknown.onnx", [unknown, *NODES[:2], *NODES[3:]])
    with pytest.raises(EngineError, match=r"cannot run the model: .*Unheard") as caught:
        OnnxruntimeBoard(session, path, some_inputs(0), target)
    assert "\n" not in str(caught.value)
    path = save(tmp_path / "several.onnx")
    outside = some_inputs(0) | {"ids": np.full((2, 5), 50)}
    with pytest.raises(EngineError, match=r"cannot run the model: .*out of"):
        OnnxruntimeBoard(session, path, outside, target)
    with (
        OnnxruntimeBoard(session, path, some_inputs(0), target) as board,
        pytest.raises(EngineError, match=r"cannot run the model: .*out of"),
    ):
        board.run(outside)
