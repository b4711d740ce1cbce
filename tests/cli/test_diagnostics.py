# SPDX-License-Identifier: Apache-2.0
"""``--debug`` and ``--dump-ir`` on every command."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
import tvm

from flexpie_tvm.cli.finished import artifact_key
from flexpie_tvm.cli.main import COMMANDS, run_command
from flexpie_tvm.cli.options import PlanOptions
from flexpie_tvm.relay import StageDump

SHAPE = ["--shape", "image=1x3x16x16"]
TESTBED = ["up", "down", "status", "prepare"]
EVERY = [[name] for name in COMMANDS] + [["testbed", name] for name in TESTBED]


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_every_command_tells_of_both(command, capsys):
    assert run_command([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--debug " in shown
    assert "--dump-ir DIR " in shown


def planned(model: Path, folder: Path, *more: str) -> list[str]:
    output = ["-o", str(folder / "plan.json")]
    return ["plan", str(model), *SHAPE, "--boards", "2", "--scheme", "InH", *output, *more]


def test_a_plan_s_stages_are_written(small_onnx, tmp_path, capsys):
    folder = tmp_path / "ir"
    assert run_command(planned(small_onnx, tmp_path, "--dump-ir", str(folder))) == 0
    assert capsys.readouterr().err == ""
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["01-imported.relay", "02-preoptimized.relay", "03-annotated.relay"]
    texts = [(folder / name).read_text() for name in names]
    assert ["flexpie.partition" in text for text in texts] == [False, False, True]
    assert all("nn.conv2d" in text or "nn.contrib_conv2d" in text for text in texts)
    assert '"InH"' in texts[2]


def test_a_build_s_stages_are_written_each_time(small_onnx, tmp_path, monkeypatch):
    monkeypatch.setenv("FLEXPIE_CACHE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = ["--boards", "2", "--scheme", "InH"]
    build = ["build", str(small_onnx), *SHAPE, *given]
    assert run_command([*build, "-o", str(tmp_path / "a.flexpie")]) == 0
    for k in range(2):
        folder = tmp_path / f"ir{k}"
        output = ["-o", str(tmp_path / f"b{k}.flexpie")]
        assert run_command([*build, *output, "--dump-ir", str(folder)]) == 0
        stages = [re.sub(r"^\d+-|\.relay$", "", p.name) for p in sorted(folder.iterdir())]
        assert stages[3:] == ["board0", "board1", "kernels"]
        for board in ("04-board0", "05-board1"):
            assert "flexpie.exchange" in (folder / f"{board}.relay").read_text()
        assert "Primitive" in (folder / "06-kernels.relay").read_text()


def test_what_instruments_watch_has_no_key(small_onnx, tmp_path):
    options = PlanOptions({"image": (1, 3, 16, 16)})
    assert artifact_key(small_onnx, options) is not None
    with tvm.transform.PassContext(instruments=[StageDump(tmp_path / "ir")]):
        assert artifact_key(small_onnx, options) is None


def test_a_command_that_compiles_nothing_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run_command(["cache", "--dump-ir", str(tmp_path / "ir")]) == 0
    assert "no model was compiled" in capsys.readouterr().err
    assert not (tmp_path / "ir").exists()


def test_a_folder_that_holds_something_is_refused(small_onnx, tmp_path, capsys):
    (tmp_path / "notes").write_text("mine")
    for place in (tmp_path, tmp_path / "notes"):
        assert run_command(planned(small_onnx, tmp_path, "--dump-ir", str(place))) == 2
        assert capsys.readouterr().err == f"flexpie: --dump-ir '{place}' is not an empty folder\n"


def test_debug_logs_steps_and_prints_tracebacks(small_onnx, tmp_path, capsys):
    assert run_command(planned(small_onnx, tmp_path, "--debug")) == 0
    logged = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^.* flexpie_tvm\.\S+: |[\d.]+ s$", "", line) for line in logged] == [
        f"Importing {small_onnx}: ",
        "Partitioning: ",
    ]
    assert logging.getLogger("flexpie_tvm").handlers == []
    assert run_command(planned(tmp_path / "none.onnx", tmp_path, "--debug")) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("flexpie: ")
    assert run_command(planned(tmp_path / "none.onnx", tmp_path)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
