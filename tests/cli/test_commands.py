# SPDX-License-Identifier: Apache-2.0
"""The command line, as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cli.run_report import save_answers
from flexpie_tvm.runtime.local import local_server
from flexpie_tvm.runtime.onnxruntime_board import SERVER

from .calls import SHAPE


def flexpie(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Run the installed command in a process of its own."""
    command = [str(Path(sys.executable).with_name("flexpie")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_run_verifies_and_writes_metrics_and_answers(small_onnx, tmp_path):
    metrics, answers = tmp_path / "metrics.json", tmp_path / "answers.npz"
    timeline = tmp_path / "timeline.json"
    done = flexpie(
        "run",
        str(small_onnx),
        "--local",
        *SHAPE,
        "--boards",
        "3",
        "--scheme",
        "2D-grid:3x1",
        "--verify",
        "--repeat",
        "3",
        "--json",
        str(metrics),
        "--output",
        str(answers),
        "--topology",
        "ring",
        "--timeline",
        str(timeline),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "3 boards, 2D-grid:3x1" in done.stdout
    read = json.loads(metrics.read_text())
    assert read["boards"] == 3
    assert read["scheme"] == "2D-grid:3x1"
    assert (
        0 < read["latency_ms"]["min"] <= read["latency_ms"]["median"] <= read["latency_ms"]["max"]
    )
    alone = read["single_board"]
    assert list(alone) == ["tvm", "flexpie", "onnxruntime"]
    assert len({*alone.values()}) == 3
    assert min(alone.values()) > 0
    assert read["single_board_missing"] == {}
    assert read["single_board_ms"] == alone["tvm"]
    assert alone[read["fastest_single_board"]] == min(alone.values())
    assert read["speedup"] == min(alone.values()) / read["latency_ms"]["median"]
    assert f"speedup: {read['speedup']:.2f} against" in done.stdout
    assert "the fastest on one board\n" in done.stdout
    assert read["max_rel_err"] == read["rel_err"]["tvm"] < 1e-4
    assert read["rel_err"]["flexpie"] < 1e-4
    assert 0 < read["rel_err"]["onnxruntime"] < 1e-4  # another program's answer
    assert read["bytes_exchanged"] > 0
    assert "predicted_ms" in read
    assert read["plan"]["cluster"]["boards"] == 3
    assert read["topology"] == "ring"
    assert [row["bytes_forwarded"] for row in read["per_board"]] == [0, 0, 0]  # all are neighbours
    assert all(0 < row["compute"] < row["run"] for row in read["per_board"])
    assert np.load(answers)["answer"].shape == (1, 32, 8, 8)
    rows = json.loads(timeline.read_text())["traceEvents"]
    names = [row["args"]["name"] for row in rows if row["name"] == "process_name"]
    assert names == ["measured", "predicted"]


def test_an_artifact_runs_on_a_tracker_s_boards(artifact, boards, tmp_path, capsys):
    inputs = tmp_path / "inputs.npz"
    image = np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype("float32")
    np.savez(inputs, image=image)
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    code = run_command(
        ["run", str(artifact), *tracker, "--input", str(inputs), "--verify", "--repeat", "2"]
        + ["--timeline", str(tmp_path / "timeline.png"), "--json", str(tmp_path / "m.json")]
    )
    assert code == 0
    shown = capsys.readouterr().out
    assert "largest relative error" in shown
    # stock servers have no onnxruntime: its answers are this machine's
    read = json.loads((tmp_path / "m.json").read_text())
    assert read["single_board"]["onnxruntime"] is None
    assert 0 < read["rel_err"]["onnxruntime"] < 1e-4
    assert "onnxruntime's answers were computed on this machine" in shown
    assert read["single_board_missing"] == {"onnxruntime": "not on the board"}
    assert "onnxruntime: not on the board" in shown
    assert "the fastest on one board that was measured" in shown
    alone = [read["single_board"][name] for name in ("tvm", "flexpie")]
    assert read["single_board"][read["fastest_single_board"]] == min(alone)
    assert read["speedup"] == min(alone) / read["latency_ms"]["median"]
    with Image.open(tmp_path / "timeline.png") as picture:
        assert picture.width > 1000


def test_a_tracker_s_boards_may_have_onnxruntime(artifact, boards, tmp_path):
    key, metrics = f"both-{os.getpid()}", tmp_path / "metrics.json"
    place = (boards.host, boards.port)
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", key]
    with local_server(SERVER, place, key), local_server(SERVER, place, key):
        options = ["--verify", "--repeat", "2", "--json", str(metrics)]
        assert run_command(["run", str(artifact), *tracker, *options]) == 0
    read = json.loads(metrics.read_text())
    assert read["single_board_missing"] == {}
    assert read["single_board"]["onnxruntime"] > 0
    assert 0 < read["rel_err"]["onnxruntime"] < 1e-4


def test_a_stream_is_told_beside_the_latency(artifact, boards, tmp_path, capsys):
    metrics = tmp_path / "metrics.json"
    where = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    run = ["run", str(artifact), *where, "--repeat", "2"]
    assert run_command([*run, "--stream", "9", "--json", str(metrics)]) == 0
    read = json.loads(metrics.read_text())
    rate, taken = read["frames_per_second"], read["frame_ms"]
    said = capsys.readouterr().out
    assert f"stream: {rate:.2f} frames/s, a frame in flight for {taken['median']:.2f} ms" in said
    assert f"95 of 100 for at most {taken['p95']:.2f} ms" in said
    assert rate > 0
    assert 0 < taken["median"] <= taken["p95"]
    assert run_command([*run, "--json", str(metrics)]) == 0
    assert json.loads(metrics.read_text())["frames_per_second"] is None


def test_a_run_without_verify_says_nothing_of_one_board(artifact, boards, tmp_path, capsys):
    metrics = tmp_path / "metrics.json"
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    run = ["run", str(artifact), *tracker, "--repeat", "1", "--json", str(metrics)]
    assert run_command(run) == 0
    read = json.loads(metrics.read_text())
    names = ("single_board_ms", "single_board", "fastest_single_board", "speedup", "max_rel_err")
    assert [read[name] for name in names] == [None] * len(names)
    assert "one board" not in capsys.readouterr().out


def test_a_plan_is_written_and_run(small_onnx, boards, tmp_path, capsys):
    plan = tmp_path / "plan.json"
    options = ["--boards", "2", "--scheme", "OutC", *SHAPE]
    assert run_command(["plan", str(small_onnx), *options, "-o", str(plan)]) == 0
    written = json.loads(plan.read_text())
    assert written["version"] == 1
    assert written["layers"][0]["mode"] == "T"
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    run = ["run", str(small_onnx), *SHAPE, "--plan", str(plan), *tracker, "--repeat", "1"]
    assert run_command(run) == 0
    assert "2 boards, OutC" in capsys.readouterr().out


def test_the_best_plan_is_compared_and_shown(small_onnx, tmp_path, capsys):
    plan, page = tmp_path / "plan.json", tmp_path / "plan.html"
    options = ["--boards", "4", "--bandwidth", "5Gbps", "--compare", *SHAPE]
    assert run_command(["plan", str(small_onnx), *options, "-o", str(plan)]) == 0
    model, *shown = capsys.readouterr().out.splitlines()
    assert model.startswith("cost model: analytic")
    assert "scheme auto" in shown[0]
    scores = {line.split()[0]: float(line.split()[-1]) for line in shown[2:]}
    assert set(scores) == {"OutC", "InH/InW", "2D-grid", "fused", "layerwise", "auto"}
    assert max(scores.values()) == scores["auto"] == 1.0
    assert run_command(["show", str(plan), "-o", str(page)]) == 0
    assert "<html" in page.read_text()


def test_boards_of_another_architecture(small_onnx, tmp_path):
    path = tmp_path / "arm.flexpie"
    target = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
    options = ["--boards", "2", "--scheme", "InH", "--target", target, "-o", str(path)]
    assert run_command(["build", str(small_onnx), *SHAPE, *options]) == 0
    for board in range(2):
        header = (path / f"board{board}.so").read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert int.from_bytes(header[18:20], "little") == 183  # AArch64


def test_a_cluster_file_describes_the_boards(small_onnx, tmp_path, capsys):
    cluster, plan = tmp_path / "cluster.toml", tmp_path / "plan.json"
    cluster.write_text(
        'topology = "ring"\nbandwidth = "1Gbps"\n[[board]]\nspeed = 1.0\n[[board]]\nspeed = 3.0\n'
    )
    options = ["--cluster", str(cluster), "--scheme", "InH", *SHAPE]
    assert run_command(["plan", str(small_onnx), *options, "-o", str(plan)]) == 0
    written = json.loads(plan.read_text())
    assert written["cluster"]["topology"] == "ring"
    assert written["layers"][-1]["cuts"] == [[0, 2, 8]]


def test_an_image_is_an_input(artifact, boards, tmp_path):
    path = tmp_path / "image.png"
    pixels = np.random.default_rng(2).integers(0, 256, (40, 30, 3), "uint8")
    Image.fromarray(pixels).save(path)
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    assert run_command(["run", str(artifact), *tracker, "--input", str(path)]) == 0


def test_answers_of_any_name_are_written(tmp_path):
    path = tmp_path / "answers.npz"
    save_answers(path, ["file", "a/b"], [np.zeros(2), np.ones((1, 2))])
    with np.load(path) as stored:
        assert sorted(stored.files) == ["a/b", "file"]
        np.testing.assert_array_equal(stored["a/b"], np.ones((1, 2)))


def test_fewer_boards_than_asked_is_said_before_compiling(boards, capfd):
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    # the model is not even opened
    assert run_command(["run", "not looked at.onnx", *SHAPE, *tracker, "--boards", "9"]) == 2
    assert "has 4 free boards" in capfd.readouterr().err


def test_a_tvm_without_relay_is_two_lines(tmp_path):
    fake = tmp_path / "tvm"
    fake.mkdir()
    (fake / "__init__.py").write_text("__version__ = '0.25.0'\n")
    done = flexpie("run", "model.onnx", "--local", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "0.25.0 has no Relay" in done.stderr
    assert "pip install 'flexpie-tvm[tvm]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_the_command_tells_its_version_and_is_a_module_too():
    for start in (["-m", "flexpie_command"], ["-c", "from flexpie_command import entry; entry()"]):
        done = subprocess.run(
            [sys.executable, *start, "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"flexpie, version {version('flexpie_tvm')}\n"
