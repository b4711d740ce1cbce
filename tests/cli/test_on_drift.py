# SPDX-License-Identifier: Apache-2.0
"""``flexpie run --stream N --on-drift``: boards that the plan took for faster ones are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.cli.drift_lines import DriftLines, in_pieces
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.runtime import relative_error
from flexpie_tvm.runtime.drift import Drift

SIZE = 64
CLUSTER = 'bandwidth = "1Gbps"\n[[board]]\nspeed = 1.0\n[[board]]\nspeed = 6.0\n'
RUN = ["--local", "--repeat", "1", "--stream", "400", "--look-every", "0.1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Two convolutions that take long enough to be judged."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("drift") / "busy.onnx"
    weights = [
        numpy_helper.from_array((rng.normal(size=(32, c, 3, 3)) / 17).astype("float32"), f"w{k}")
        for k, c in enumerate([8, 32])
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1] * 4),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 8, SIZE, SIZE])
    answer = helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 32, SIZE, SIZE])
    graph = helper.make_graph(nodes, "busy", [image], [answer], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, str(path))
    return path


@pytest.fixture(scope="module")
def artifact(model, tmp_path_factory) -> Path:
    """For two boards of which the second is said to be six times as fast, which it is not."""
    folder = tmp_path_factory.mktemp("planned")
    (folder / "cluster.toml").write_text(CLUSTER)
    plan, built = folder / "plan.json", folder / "busy.flexpie"
    how = ["--cluster", str(folder / "cluster.toml"), "--scheme", "InH"]
    assert run_command(["plan", str(model), *how, "-o", str(plan)]) == 0
    assert run_command(["build", str(model), "--plan", str(plan), "-o", str(built)]) == 0
    return built


def test_a_board_that_is_slower_than_planned_is_told(artifact, capsys):
    assert run_command(["run", str(artifact), *RUN, "--on-drift", "report"]) == 0
    said = capsys.readouterr()
    assert "stream: " in said.out
    lines = said.err.splitlines()
    told = [line for line in lines if line.startswith("board 1 computes ")]
    assert told, said.err
    assert told[0].endswith(" times as long as expected")
    assert float(told[0].split()[3]) > 1.5
    assert all(line.startswith("board ") for line in lines), said.err  # no plan is made


def test_a_better_plan_is_taken_between_frames(model, artifact, tmp_path, capsys):
    image, answers, metrics = (tmp_path / name for name in ("i.npz", "o.npz", "m.json"))
    inputs = {"image": np.random.default_rng(2).normal(size=(1, 8, SIZE, SIZE)).astype("float32")}
    np.savez(image, **inputs)
    (expected,) = onnxruntime.InferenceSession(model).run(None, inputs)
    files = ["--input", str(image), "--output", str(answers), "--json", str(metrics)]
    assert run_command(["run", str(artifact), *RUN, "--on-drift", "switch", *files]) == 0
    said = capsys.readouterr().err
    assert "board 1 computes " in said
    assert "ms are predicted of the present plan" in said
    assert "Traceback" not in said
    assert relative_error(np.load(answers)["b"], expected) < 1e-5
    assert json.loads(metrics.read_text())["frames_per_second"] > 0


def test_there_is_nothing_to_look_at_without_a_stream(artifact, capsys):
    assert run_command(["run", str(artifact), "--local", "--on-drift", "report"]) == 2
    said = capsys.readouterr().err
    assert run_command(["run", str(artifact), *RUN, "--look-every", "nan"]) == 2
    assert capsys.readouterr().err == "flexpie: --look-every is not a number\n"
    assert said == "flexpie: --on-drift looks between the frames of a stream: give --stream, too\n"


def test_pieces_are_a_stream_without_a_frame_lost_or_twice():
    looks, pieces = [], []

    def stream(frames):
        pieces.append(0)
        for frame in frames:
            pieces[-1] += 1
            yield 10 * frame

    answers = in_pieces(stream, iter(range(7)), lambda: looks.append(len(pieces)), 0.0)
    assert list(answers) == [10 * k for k in range(7)]
    assert pieces == [1] * 7 + [0]  # whether there is another frame is known when it is asked for
    assert looks == list(range(1, 9))
    pieces.clear()
    assert list(in_pieces(stream, range(5), lambda: None, 3600.0)) == [0, 10, 20, 30, 40]
    assert pieces == [5]


def test_a_drift_is_told_once_and_so_is_its_end(capsys):
    found = [[], [Drift("compute", 1, 2.0)], [Drift("compute", 1, 2.2)], [], []]
    watch = iter(found)

    class Scripted:
        def look(self):
            return next(watch)

    lines = DriftLines(Scripted())
    for _ in found:
        lines.look()
    assert capsys.readouterr().err.splitlines() == [
        "board 1 computes 2.0 times as long as expected",
        "board 1 computes as expected again",
    ]
