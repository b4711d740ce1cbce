# SPDX-License-Identifier: Apache-2.0
"""``flexpie train`` and ``--cost``: from a trace store to plans made with a learned cost model."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import redirect_stdout
from dataclasses import replace

import pytest
from PIL import Image

from flexpie_tvm.cli.costs import cost_model
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cost import load_cost, save_cost
from flexpie_tvm.cost.records import MODELLED
from flexpie_tvm.cost.traces import ModelTrace, append_models, append_tiles, append_transfers
from flexpie_tvm.fingerprint import kernels_fingerprint
from flexpie_tvm.plan import ClusterSpec
from tests.cost.machine import SETTING, traces

SHAPE = ["--shape", "image=1x3x16x16"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small trace store of the made-up board."""
    folder = tmp_path_factory.mktemp("traces")
    tiles, transfers = traces(110, 66)
    append_tiles(folder, tiles)
    append_transfers(folder, transfers)
    works = [tile.work for tile in tiles[:8]]
    ms = 2 * sum(tile.ms for tile in tiles[:8])  # a model twice as slow as its layers
    append_models(folder, [ModelTrace(tuple(works), ms, 0.01, 5, "slow_net", SETTING)])
    return folder


@pytest.fixture(scope="module")
def training(store, tmp_path_factory):
    """Folder with the model and the report that ``flexpie train`` makes, and what it says."""
    folder, said = tmp_path_factory.mktemp("cost"), io.StringIO()
    command = ["train", str(store), "-o", str(folder / "board.cost"), "--report", str(folder)]
    with redirect_stdout(said):
        assert run_command(command) == 0
    return folder, said.getvalue()


@pytest.fixture(scope="module")
def cost_file(training):
    """The cost model."""
    return training[0] / "board.cost"


def test_train_writes_a_model_and_a_report(training):
    folder, said = training
    assert "tiles: 110 configurations, held out: MAPE" in said
    assert "transfers: " in said
    origin = load_cost(folder / "board.cost").origin
    assert (origin.setting, origin.tiles) == (SETTING, 110)
    page = (folder / "report.md").read_text()
    for part in ("conv", "pool", "exchange", "nn.max_pool2d", "MAPE", "analytic", "rank"):
        assert part in page
    (line,) = [line for line in page.splitlines() if line.startswith("| slow_net | 8 |")]
    error, held_out = (float(cell) for cell in line.split("|")[5:7])
    assert -70 < error < -30
    assert held_out == 100
    with Image.open(folder / "predicted_vs_measured.png") as picture:
        assert picture.width > 1000
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def test_a_cost_model_of_other_kernels_is_used_with_a_sentence(cost_file, tmp_path, capsys):
    cost = load_cost(cost_file)
    assert cost_model([str(cost_file)], ClusterSpec(2), ["llvm"], None).settings == (SETTING,)
    assert "of other kernels than these" in capsys.readouterr().out
    now = replace(SETTING, kernels=kernels_fingerprint())
    cost.origin = replace(cost.origin, setting=now)
    save_cost(cost, tmp_path / "now.cost")
    found = cost_model([str(tmp_path / "now.cost")], ClusterSpec(2), ["llvm"], None)
    assert found.settings == (now,)
    assert "other kernels" not in capsys.readouterr().out


def test_a_cost_model_of_modelled_traces_says_so(cost_file, tmp_path):
    cost = load_cost(cost_file)
    cost.origin = replace(cost.origin, setting=replace(SETTING, how=MODELLED))
    save_cost(cost, tmp_path / "modelled.cost")
    assert load_cost(tmp_path / "modelled.cost").name == "learned (made-up, modelled, not measured)"
    assert load_cost(cost_file).name == "learned (made-up)"


def test_plans_are_made_with_the_cost_model_and_say_so(small_onnx, cost_file, tmp_path, capsys):
    path = tmp_path / "plan.json"
    command = ["plan", str(small_onnx), *SHAPE, "--boards", "2", "-o", str(path)]
    assert run_command([*command, "--cost", str(cost_file), "--compare"]) == 0
    said = capsys.readouterr().out
    assert "cost model: learned (made-up)" in said
    notes = json.loads(path.read_text())["notes"]
    assert notes["cost_model"] == notes["report"]["cost_model"] == "learned (made-up)"
    with_learned = notes["predicted_ms"]
    assert run_command(command) == 0
    said = capsys.readouterr().out
    assert "cost model: analytic (no measurements of such boards" in said
    notes = json.loads(path.read_text())["notes"]
    assert notes["cost_model"] == "analytic"
    assert notes["predicted_ms"] != with_learned


def test_one_cost_model_per_kind_of_board(small_onnx, cost_file, tmp_path, capsys):
    cluster = tmp_path / "cluster.toml"
    cluster.write_text('[[board]]\nkind = "old"\n[[board]]\nkind = "new"\n')
    path = tmp_path / "plan.json"
    command = ["plan", str(small_onnx), *SHAPE, "--cluster", str(cluster), "-o", str(path)]
    kinds = ["--cost", f"old={cost_file}", "--cost", f"new={cost_file}"]
    assert run_command([*command, *kinds]) == 0
    assert json.loads(path.read_text())["notes"]["cost_model"] == "learned (made-up)"
    capsys.readouterr()
    assert run_command([*command, "--cost", f"odd={cost_file}"]) == 2
    assert "the cluster has old, new, not 'odd'" in capsys.readouterr().err
    assert run_command([*command, *kinds[:2], *kinds[:2]]) == 2
    assert "there is one for such boards already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("{}", "is not one that 'flexpie train' wrote"),
        ('{"format": "flexpie-cost", "version": 99}', "version 99"),
    ],
)
def test_a_bad_cost_file_is_one_line(content, said, small_onnx, tmp_path, capsys):
    path = tmp_path / "bad.cost"
    if content is not None:
        path.write_bytes(gzip.compress(content.encode()))
    command = ["plan", str(small_onnx), *SHAPE, "-o", str(tmp_path / "plan.json")]
    assert run_command([*command, "--cost", str(path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"flexpie: cost model '{path}'")
    assert said in line


def test_a_bad_trace_store_is_one_line(store, tmp_path, capsys):
    out = str(tmp_path / "board.cost")
    for folder, said in ((tmp_path / "none", "is not a folder"), (tmp_path, "is empty")):
        assert run_command(["train", str(folder), "-o", out]) == 2
        assert said in capsys.readouterr().err
    assert run_command(["train", str(store), "-o", out, "--board-kind", "pi4"]) == 2
    assert "has no tiles of board kind 'pi4'" in capsys.readouterr().err
    mixed = tmp_path / "mixed"
    tiles, _ = traces(60, 0)
    append_tiles(mixed, [*tiles, replace(tiles[0], setting=replace(SETTING, threads=4))])
    assert run_command(["train", str(mixed), "-o", out]) == 2
    assert "the traces are of several boards" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("llvm -mcpu=znver4", "shipped"),
        ("llvm -mcpu=skylake-avx512", "measured with 'llvm -keys=cpu -mcpu=znver4'"),
        ("llvm -mcpu=haswell", "analytic (no measurements of such boards"),
    ],
)
def test_what_a_shipped_model_was_measured_with_is_said(target, said, capsys):
    cost_model((), ClusterSpec(2), (target,), 1)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("cost model: ")
    assert said in line
    assert ("factor" in line) == ("skylake" in target)
