# SPDX-License-Identifier: Apache-2.0
"""Local boards are calibrated the first time, and that is remembered."""

from __future__ import annotations

import json
import os

import pytest

from flexpie_tvm.cli import own_costs
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost import load_cost
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.runtime import user_cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A user's cache of its own, with calibrations by a few tiles."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FLEXPIE_CACHE")
    monkeypatch.delenv("FLEXPIE_CALIBRATE")
    monkeypatch.setattr(own_costs, "SECONDS", 2.0)
    monkeypatch.setattr(own_costs, "TILES", 8)
    return tmp_path / "xdg" / "flexpie_tvm"


def test_the_first_command_calibrates_and_others_remember(small_onnx, cache, tmp_path, capsys):
    model = [str(small_onnx), "--local", "--shape", "image=1x3x16x16", "--boards", "2"]
    plan = tmp_path / "plan.json"

    def planned(*more):
        assert run_command(["plan", *model, "-o", str(plan), *more]) == 0
        return capsys.readouterr().out, json.loads(plan.read_text())["notes"]["cost_model"]

    # neither where it is switched off, nor where other costs are asked for
    said, name = planned("--no-calibrate")
    assert ", shipped" in said
    assert "calibrated" not in name
    assert "calibrat" not in planned("--target", "llvm -mcpu=core-avx2")[1]
    assert not list(cache.glob("*/local.cost"))

    said, name = planned()
    assert "local boards: calibrated in " in said
    assert name.startswith("calibrated (local, from learned (local))")
    (file,) = cache.glob("*/local.cost")
    kept = load_cost(file)
    assert kept.origin.setting.kernels == kernels_fingerprint()
    assert kept.origin.setting.threads == 1
    assert kept.origin.tiles >= 8
    assert kept.origin.transfers > 0
    assert kept.figures.several != 0  # inferences were timed, too

    said, again = planned()
    assert "calibrated by " in said
    assert ", remembered from 20" in said
    assert "other kernels" not in said
    assert again == name

    assert run_command(["run", *model]) == 0
    assert ", remembered from 20" in capsys.readouterr().out

    # what is damaged is not believed, and makes room for another one
    file.write_bytes(file.read_bytes()[:-100])
    assert own_costs.remembered(user_cache(os.environ), file.parent.name) is None
    assert not file.exists()


def test_where_nothing_is_kept_nothing_is_measured(
    small_onnx, cache, tmp_path, capsys, monkeypatch
):
    model = [str(small_onnx), "--local", "--shape", "image=1x3x16x16", "--boards", "2"]
    command = ["plan", *model, "-o", str(tmp_path / "plan.json")]
    cache.parent.write_text("a file where the cache's folder should be")
    assert run_command(command) == 0
    said = capsys.readouterr().out
    assert f"local boards: not calibrated ('{cache}' cannot be written to)" in said
    assert ", shipped" in said
    monkeypatch.setenv("FLEXPIE_CACHE", "0")
    assert run_command(command) == 0
    assert "local boards" not in capsys.readouterr().out


def test_boards_of_a_kind_are_not_local(small_onnx, tmp_path, capsys):
    command = ["plan", str(small_onnx), "--local", "--board", "pi4", "-o", str(tmp_path / "p")]
    assert run_command(command) == 2
    assert "leave out --board" in capsys.readouterr().err
