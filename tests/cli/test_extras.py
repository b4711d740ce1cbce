# SPDX-License-Identifier: Apache-2.0
"""A base install plans, builds and runs; what it lacks, it asks for in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flexpie_tvm.extras import EXTRA_OF

ROOT = Path(__file__).parents[2]
#: But for scipy: xgboost brings it along.
PACKAGES = (
    *sorted(EXTRA_OF.keys() - {"scipy"}),
    "onnxruntime",
    "rapidocr_onnxruntime",
    "tflite",
    "ai_edge_litert",
)
#: Loaded by every Python of the environment that it is put into, also by the boards'.
BLOCKER = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {PACKAGES!r}:
            return self.finder.find_spec(name, path, target)

sys.meta_path = [Without(finder) for finder in sys.meta_path]
"""
SHAPE = ["--shape", "image=1x3x16x16"]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    """An environment that has the packages of a base install only."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "sitecustomize.py").write_text(BLOCKER)
    paths = [str(folder), str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}


def flexpie(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from flexpie_command import entry; entry()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env)


def test_the_blocker_blocks(base):
    for package in PACKAGES:
        done = subprocess.run([sys.executable, "-c", f"import {package}"], env=base,
                              capture_output=True, text=True)  # fmt: skip
        assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize(
    "command", ["", "plan", "build", "run", "show", "board", "boards", "testbed", "tune", "bench"]
)
def test_commands_explain_themselves(base, command):
    done = flexpie(base, *command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--help" in done.stdout


def test_a_base_install_plans_builds_and_runs(base, small_onnx, tmp_path):
    plan, built, page = (str(tmp_path / name) for name in ("plan.json", "s.flexpie", "plan.html"))
    answers, metrics = tmp_path / "y.npz", tmp_path / "metrics.json"
    model = [str(small_onnx), *SHAPE, "--boards", "2"]
    for arguments in (
        ["plan", *model, "--bandwidth", "1Gbps", "--compare", "-o", plan],
        ["show", plan, "-o", page],
        ["build", str(small_onnx), *SHAPE, "--plan", plan, "-o", built],
        ["run", built, "--local", "--boards", "2", "--output", str(answers)],
        ["run", *model, "--local", "--scheme", "InH", "--verify", "--repeat", "1",
         "--json", str(metrics)],
    ):  # fmt: skip
        done = flexpie(base, *arguments)
        assert done.returncode == 0, f"{arguments[0]}: {done.stderr}"
    assert answers.stat().st_size > 0
    read = json.loads(metrics.read_text())
    assert read["max_rel_err"] < 1e-4
    assert "onnxruntime" in read["single_board_missing"]


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["train", "traces", "-o", "cost"], "pyarrow", "lab"),
        (["profile", "--local", "-o", "traces"], "pyarrow", "lab"),
        (["run", "{model}", *SHAPE, "--local", "--boards", "2", "--input", "{image}"],
         "PIL", "lab"),
        (["demo"], "rapidocr_onnxruntime", "demo"),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence(base, small_onnx, tmp_path, arguments, package, extra):
    image = tmp_path / "image.png"
    image.write_bytes(b"any")
    given = [a.format(model=small_onnx, image=image) for a in arguments]
    done = flexpie(base, *given)
    assert done.returncode == 2
    assert done.stderr.startswith("flexpie: ")
    assert done.stderr.count("\n") == 1
    assert package in done.stderr
    assert f"pip install 'flexpie-tvm[{extra}]'" in done.stderr


@pytest.mark.parametrize("command", ["--help", "run model.onnx --local"])
def test_without_tvm_every_command_says_how_to_get_it(tmp_path, command):
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.replace(repr(PACKAGES), "('tvm',)"))
    paths = [str(tmp_path), str(ROOT / "python")]
    done = flexpie({**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, *command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "TVM is not installed" in done.stderr
    assert "pip install 'flexpie-tvm[tvm]'" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_few_packages_are_required_and_each_extra_brings_what_it_promises():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {_name(line) for line in project["dependencies"]}
    assert len(required - {"xgboost-cpu"}) <= 6
    extras = project["optional-dependencies"]
    listed = {"PIL": "pillow", "skimage": "scikit-image"}
    for package, extra in EXTRA_OF.items():
        name = listed.get(package, package)
        assert name not in required
        assert name in {_name(line) for line in extras[extra]}


def _name(line: str) -> str:
    return line.partition(";")[0].strip().partition(">")[0].partition("=")[0]
