# SPDX-License-Identifier: Apache-2.0
"""``flexpie bench`` on real local boards."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost import Analytic
from flexpie_tvm.errors import InputError
from flexpie_tvm.lab.bench import Network, load_records
from flexpie_tvm.lab.bench.prepare import BenchModel
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.runtime import load_artifact
from flexpie_tvm.runtime.link_key import make_key


@pytest.fixture(scope="module")
def measured(small_onnx, tmp_path_factory):
    """Folder of a benchmark of two ways on two boards, and the command that made it."""
    folder = tmp_path_factory.mktemp("bench")
    command = [
        "bench", str(small_onnx), "--local", "--shape", "image=1x3x16x16", "--boards", "2",
        "--way", "InH", "--way", "OutC", "--rounds", "2", "--repeat", "1", "--timeline",
        "-o", str(folder),
    ]  # fmt: skip
    assert run_command(command) == 0
    return folder, command


def test_every_way_is_measured_and_right(measured):
    (record,) = load_records(measured[0])
    assert set(record.ways) == {"InH", "OutC"}
    assert set(record.one_board) == {"TVM", "flexpie", "onnxruntime"}
    for one in (*record.ways.values(), *record.one_board.values()):
        assert len(one.ms) == len(one.in_place_ms) == 2
        assert min(*one.ms, *one.in_place_ms) > 0
        assert one.max_rel_err < 1e-4
    assert record.ways["InH"].bytes_exchanged > 0
    assert record.one_board["onnxruntime"].max_rel_err > 0  # another program's answer
    # the library of TVM alone, and an artifact of ours for one board
    alone = [path.name for path in (measured[0] / "artifacts").iterdir()]
    assert len([name for name in alone if name.endswith(".so")]) == 1
    made = [load_artifact(path) for path in (measured[0] / "artifacts").glob("*.flexpie")]
    assert sorted((one.boards, one.scheme) for one in made) == [
        (1, "Single"), (2, "InH"), (2, "OutC"),
    ]  # fmt: skip
    assert (measured[0] / "RESULTS.md").is_file()


def test_a_network_that_onnxruntime_does_not_run_is_measured_without_it(tmp_path, capsys):
    # newer than any onnxruntime's, which TVM's importer does not look at
    path = tmp_path / "new.onnx"
    node = helper.make_node("Relu", ["x"], ["y"])
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 8, 6, 6]) for n in "xy"]
    graph = helper.make_graph([node], "new", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 99
    onnx.save(model, str(path))
    command = ["bench", str(path), "--local", "--boards", "1", "--way", "auto", "--rounds", "1"]
    assert run_command([*command, "--repeat", "1", "-o", str(tmp_path / "results")]) == 0
    shown = capsys.readouterr().out
    assert "onnxruntime is not measured: it cannot run the model: " in shown
    (record,) = load_records(tmp_path / "results")
    assert set(record.one_board) == {"TVM", "flexpie"}
    assert re.search(r"fastest auto, [0-9.]+ ms; speedup [0-9.]+ against ", shown)
    assert "the fastest on one board that was measured" in shown
    (row, _) = [
        line
        for line in (tmp_path / "results" / "RESULTS.md").read_text().splitlines()
        if line.startswith("| new |")
    ][:2]
    assert "| not measured |" in row


def test_boards_say_where_the_time_goes(measured):
    (record,) = load_records(measured[0])
    for way in record.ways.values():
        assert len(way.boards) == 2
        for board in way.boards:
            assert board.compute > 0
            assert board.busy + board.wait < max(way.in_place_ms)
            assert board.steps[-1].layer == "the end"
        assert sum(board.bytes_sent for board in way.boards) == way.bytes_exchanged
    assert record.one_board["TVM"].boards == []


def test_timelines_are_measured_beside_predicted(measured):
    folder = measured[0] / "timelines"
    for way in ("InH", "OutC"):
        (trace,) = folder.glob(f"*-2x-mesh-1000Mbps-{way}.json")
        rows = json.loads(trace.read_text())["traceEvents"]
        names = [row["args"]["name"] for row in rows if row["name"] == "process_name"]
        assert names == ["measured", "predicted"]
        assert {row["cat"] for row in rows if row["ph"] == "X"} >= {"scatter", "compute"}
        assert trace.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_an_equal_plan_at_another_bandwidth_is_not_compiled_again(small_onnx, target, tmp_path):
    said: list[str] = []
    network = Network("small", small_onnx, {"image": (1, 3, 16, 16)})
    prepared = BenchModel(network, target, tmp_path, said.append)
    first = prepared.plan("InH", ClusterSpec(2, 1e9), Analytic())
    again = prepared.plan("InH", ClusterSpec(2, 1e6, speeds=(0.5, 0.5)), Analytic())
    assert again.artifact.path == first.artifact.path
    assert [text.rpartition(": ")[2] for text in said] == ["planning", "compiling", "planning"]
    assert again.build_s == 0
    # what is predicted is of the slower network
    assert again.predicted_ms > first.predicted_ms
    assert again.timeline(Analytic()).latency > first.timeline(Analytic()).latency
    ring = prepared.plan("InH", ClusterSpec(3, topology="ring"), Analytic())
    mesh = prepared.plan("InH", ClusterSpec(3), Analytic())
    assert ring.fingerprint != mesh.fingerprint


def test_what_is_measured_is_not_measured_again(measured, capsys):
    folder, command = measured
    before = [path.read_text() for path in sorted(folder.glob("records/*.json"))]
    assert run_command(command) == 0
    assert [path.read_text() for path in sorted(folder.glob("records/*.json"))] == before
    assert "fastest" not in capsys.readouterr().out


def test_encrypted_links_are_measured_and_told(measured, tmp_path):
    """With a key at one end alone boards are not deployed on at all."""
    folder, command = measured
    key = make_key(tmp_path / "psk.key").path
    shutil.copytree(folder / "artifacts", tmp_path / "own" / "artifacts")
    again = [*command[: command.index("--way")], "--way", "InH", "--rounds", "1", "--repeat", "1"]
    assert run_command([*again, "--secure", str(key), "-o", str(tmp_path / "own")]) == 0
    (record,) = load_records(tmp_path / "own")
    assert record.bed == "local boards, encrypted links"
    assert record.ways["InH"].max_rel_err < 1e-4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_records_and_nothing_running(measured, tmp_path, number):
    (done,) = measured[0].glob("records/*.json")
    kept = tmp_path / "records" / done.name
    kept.parent.mkdir()
    kept.write_text(done.read_text())
    command = [
        str(Path(sys.executable).with_name("flexpie")), *measured[1],
        "--boards", "3", "--rounds", "1000000", "-o", str(tmp_path),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a shell's background jobs, and so what they start, ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        text=True,
    )
    try:
        assert any("3x-mesh-1000Mbps: measuring" in line for line in process.stdout)
        time.sleep(2)  # in the rounds
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 4
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1] == "flexpie: interrupted"
    # what was killed last may take a moment on a busy machine
    assert not [one for one in psutil.wait_procs(started, timeout=30)[1] if _runs(one)]
    assert os.listdir(kept.parent) == [done.name]
    assert kept.read_text() == done.read_text()


def _runs(process: psutil.Process) -> bool:
    """False also for one that has ended and that init has not seen yet."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_bad_calls_are_one_line(measured, tmp_path, capsys):
    for arguments, part in [
        (["nowhere"], "neither an ONNX file nor one of"),
        ([], "no model is named"),
        (["resnet50", "--way", "diagonal"], "unknown scheme 'diagonal'"),
        (["--report-only"], "holds no results"),
    ]:
        assert run_command(["bench", *arguments, "-o", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert part in error
        assert error.count("\n") == 1


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "records" / "net.json"
    path.parent.mkdir()
    for text in ("{", "[]", json.dumps({"version": 1, "ways": {}})):
        path.write_text(text)
        with pytest.raises(InputError, match=r"net\.json.*is damaged"):
            load_records(tmp_path)
    path.write_text(json.dumps({"version": 0}))
    with pytest.raises(InputError, match="another version"):
        load_records(tmp_path)
