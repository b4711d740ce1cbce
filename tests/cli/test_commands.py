# SPDX-License-Identifier: Apache-2.0
"""The command line, as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cli.run_report import save_answers
from flexpie_tvm.runtime.local import local_server
from flexpie_tvm.runtime.onnxruntime_board import SERVER

SHAPE = ["--shape", "image=1x3x16x16"]


@pytest.fixture(scope="module")
def artifact(small_onnx, tmp_path_factory) -> Path:
    """The small model, built for two boards."""
    path = tmp_path_factory.mktemp("built") / "small.flexpie"
    assert run_command(["build", str(small_onnx), *SHAPE, "--boards", "2", "-o", str(path)]) == 0
    return path


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
    rate = json.loads(metrics.read_text())["frames_per_second"]
    assert f"stream: {rate:.2f} frames/s" in capsys.readouterr().out
    assert rate > 0
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


def _bad(small: str, artifact: str, folder: Path) -> list[tuple[list[str], str]]:
    wrong = folder / "wrong.npz"
    np.savez(wrong, image=np.zeros((1, 3, 8, 8), "float32"))
    other = folder / "other.npz"
    np.savez(other, picture=np.zeros((1, 3, 16, 16), "float32"))
    np.save(folder / "array.npy", np.zeros(3))
    (folder / "array.npy").rename(folder / "array.npz")
    np.savez_compressed(folder / "broken.npz", image=np.zeros((1, 3, 16, 16), "float32"))
    whole = (folder / "broken.npz").read_bytes()
    (folder / "broken.npz").write_bytes(whole[:60] + b"\xff" * 8 + whole[68:])
    (folder / "notes.txt").write_text("no model")
    (folder / "empty.onnx").write_bytes(b"")
    local = ["--local", "--boards", "2"]
    return [
        (["run", str(folder / "missing.onnx"), *local], "does not exist"),
        (["run", str(folder / "notes.txt"), *local], "not a readable ONNX file"),
        (["run", str(folder / "empty.onnx"), *local], "not an ONNX file"),
        (["run", small, *local], "give --shape image=?x3x16x16"),
        (["run", small, *local, "--shape", "picture=1x3x16x16"], "the inputs of"),
        (["run", small, *local, "--shape", "image=1x4x16x16"], "does not fit"),
        (["run", small, *local, "--shape", "image=1,3,16,16"], "is not NAME="),
        (["run", small, *SHAPE, "--local", "--boards", "0"], "give 1 or more"),
        (["run", small, *SHAPE, "--local", "--boards", "1000000"], "give at most 64"),
        (["run", small, *SHAPE, *local, "--scheme", "InD"], "unknown scheme 'InD'"),
        (["run", small, *SHAPE, *local, "--scheme", "2D-grid:3x3"], "9 cells for 2 boards"),
        (["run", small, *SHAPE, *local, "--bandwidth", "fast"], "bandwidth 'fast'"),
        (["run", small, *SHAPE, *local, "--target", "llvmm"], "target 'llvmm'"),
        (["run", small, *SHAPE, *local, "--target", "cuda"], "CPU targets"),
        (["run", small, *SHAPE, *local, "--target", "llvm -mtriple=riscv64-x-y"], "no compiler"),
        (["run", small, *SHAPE, *local, *["--target", "llvm"] * 3], "3 targets for 2 boards"),
        (["run", small, *SHAPE, *local, "--topology", "star"], "star"),
        (["run", small, *SHAPE, "--boards", "2"], "--local or --tracker"),
        (["run", small, *SHAPE, "--tracker", "127.0.0.1:1"], "--key"),
        (["run", small, *SHAPE, "--tracker", "127.0.0.1:1", "--key", "k"], "cannot be reached"),
        (["run", artifact, "--local", "--boards", "3"], "is for 2 boards, not 3"),
        (["run", artifact, "--local", "--topology", "ring", *SHAPE], "out --shape, --topology"),
        (["run", artifact, "--local", "--target", "llvm"], "leave out --target"),
        (["run", artifact, "--local", "--input", str(folder / "no.npz")], "does not exist"),
        (["run", artifact, "--local", "--input", str(folder / "notes.txt")], "neither"),
        (["run", artifact, "--local", "--input", str(wrong)], "the model takes float32"),
        (["run", artifact, "--local", "--input", str(other)], "'picture'"),
        (["run", artifact, "--local", "--input", str(folder / "array.npz")], "not a readable .npz"),
        (["run", artifact, "--local", "--input", str(folder / "broken.npz")], "not a readable"),
        (["run", artifact, "--local", "--output", str(folder / "no" / "y.npz")], "no folder"),
        (["run", artifact, "--local", "--json", str(folder / "no" / "m.json")], "no folder"),
        (["run", artifact, "--local", "--output", str(folder)], "is a directory"),
        (["run", artifact, "--local", "--timeline", str(folder / "t.pdf")], "none of .json, .png"),
        (["run", artifact, "--local", "--repeat", "0"], "--repeat"),
        (["run", artifact, "--local", "--deadline", "nan"], "--deadline"),
        (["run", str(folder), *local], "is a folder, but no artifact"),
        (["run", small, *local, "--shape", "image=²x3x16x16"], "is not NAME="),
        (["run", small, *SHAPE, "--tracker", "h:70000", "--key", "k"], "is not HOST:PORT"),
        (["build", small, *SHAPE, "-o", str(folder / "notes.txt" / "a.flexpie")], "notes.txt"),
        (["build", small, *SHAPE, "-o", str(folder / "notes.txt")], "is not an artifact"),
        (["plan", small, *SHAPE, "-o", str(folder / "no" / "plan.json")], "no folder"),
        (["show", str(folder / "plan.json"), "-o", str(folder / "no" / "p.html")], "no folder"),
        (["plan", small, *SHAPE, "--plan", str(folder / "no.json"), "-o", "x"], "cannot be read"),
        (["plan", small, *SHAPE, "--plan", str(folder / "notes.txt"), "-o", "x"], "is not JSON"),
        (["run"], "MODEL"),
        (["fly"], "fly"),
    ]


def test_bad_input_is_one_line_and_exit_code_2(small_onnx, artifact, tmp_path, capfd):
    for arguments, words in _bad(str(small_onnx), str(artifact), tmp_path):
        code = run_command(arguments)
        shown = capfd.readouterr()
        assert code == 2, arguments
        assert words in shown.err, (arguments, shown.err)
        assert len(shown.err.strip().splitlines()) == 1, shown.err
        assert "Traceback" not in shown.err


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


def test_ctrl_c_leaves_nothing_running(artifact):
    command = [str(Path(sys.executable).with_name("flexpie")), "run", str(artifact), "--local"]
    process = subprocess.Popen(
        [*command, "--repeat", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # a shell's background jobs, and so what they start, ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    try:
        until = time.monotonic() + 90
        while len(servers := _servers_of(process.pid)) < 3 and time.monotonic() < until:
            time.sleep(0.2)
        assert len(servers) >= 3
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "flexpie: interrupted"
    assert not [pid for pid in servers if os.path.exists(f"/proc/{pid}")]


def _servers_of(parent: int) -> list[int]:
    """Processes of a parent that run tvm.exec modules (through the supervisor)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat, open(f"/proc/{entry}/cmdline", "rb") as line:
                if int(stat.read().rsplit(")", 1)[1].split()[1]) == parent and b"tvm.exec" in (
                    line.read()
                ):
                    found.append(int(entry))
        except OSError:
            continue
    return found
