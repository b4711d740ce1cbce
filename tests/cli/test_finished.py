# SPDX-License-Identifier: Apache-2.0
"""What commands made before they find again, without importing or planning the model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from flexpie_tvm.cli import build, demo_builds, run, verify
from flexpie_tvm.cli.demo_builds import DemoBuilds
from flexpie_tvm.cli.finished import artifact_key, finished_whole, whole_key
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cli.options import PlanOptions
from flexpie_tvm.runtime import BuildCache, Whole

SHAPES = {"image": (1, 3, 16, 16)}
MODEL = ["--shape", "image=1x3x16x16", "--boards", "2"]


@pytest.fixture
def user_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("FLEXPIE_CACHE", raising=False)
    return tmp_path / "xdg" / "flexpie_tvm"


def content(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_second_build_imports_nothing_and_is_the_same(
    small_onnx, tmp_path, user_cache, capsys, monkeypatch
):
    model = [str(small_onnx), *MODEL, "--fallbacks", "1"]
    assert run_command(["build", *model, "-o", str(tmp_path / "first")]) == 0
    assert "built before" not in capsys.readouterr().out
    monkeypatch.setattr(build, "plan_model", None)
    assert run_command(["build", *model, "-o", str(tmp_path / "second")]) == 0
    assert "built before" in capsys.readouterr().out
    first = content(tmp_path / "first")
    assert {"board0.so", "board1.so", "artifact.json", "model.onnx"} < set(first)
    assert any(name.startswith("fallbacks/") for name in first)
    assert content(tmp_path / "second") == first


def test_a_second_run_imports_nothing_and_answers_the_same(
    small_onnx, tmp_path, user_cache, monkeypatch
):
    image = np.random.default_rng(3).normal(size=SHAPES["image"]).astype("float32")
    np.savez(tmp_path / "in.npz", image=image)

    def answer(name: str) -> np.ndarray:
        out = str(tmp_path / name)
        given = ["--input", str(tmp_path / "in.npz"), "--output", out, "--repeat", "1"]
        assert run_command(["run", str(small_onnx), *MODEL, "--local", "--verify", *given]) == 0
        with np.load(out) as answers:
            return answers["answer"]

    first = answer("a.npz")
    monkeypatch.setattr(run, "plan_model", None)
    monkeypatch.setattr(verify, "import_model", None)
    np.testing.assert_array_equal(answer("b.npz"), first)


def test_the_demo_s_builds_are_found_again(small_onnx, tmp_path, monkeypatch):
    cache = BuildCache(tmp_path / "cache")

    def built(name: str):
        (tmp_path / name).mkdir()
        builds = DemoBuilds(small_onnx, PlanOptions(SHAPES, 2), tmp_path / name, cache)
        artifact, whole = builds.artifact("InH"), builds.whole()
        alone = whole.library.read_bytes(), content(whole.artifact.path), whole.target
        return content(artifact.path), alone

    first = built("first")
    assert cache.hits == 0
    monkeypatch.setattr(demo_builds, "load_model", None)
    assert built("second") == first
    assert cache.hits == 2


def test_what_tvm_refuses_is_not_asked_again(small_onnx, tmp_path):
    cache = BuildCache(tmp_path / "cache")
    builds = DemoBuilds(small_onnx, PlanOptions(SHAPES, 1), tmp_path, None)
    alone = builds.artifact("Single")
    found = []
    for name in ("first", "second"):

        def make(folder: Path) -> Whole:
            assert not found
            shutil.copytree(alone.path, folder / "whole.flexpie")
            return Whole("llvm", None, alone, small_onnx, "too odd")

        found.append(finished_whole(cache, "k", "llvm", small_onnx, tmp_path / name, make))
    assert found[1].library is None
    assert found[1].refused == "too odd"
    assert content(found[1].artifact.path) == content(alone.path)


def test_keys_tell_apart_what_decides_an_artifact(small_onnx, tmp_path):
    options = PlanOptions(SHAPES, 2)
    files = [tmp_path / name for name in ("a", "b")]
    for file in files:
        file.write_text(file.name)
    other = tmp_path / "other.onnx"
    changed = onnx.load(small_onnx)
    changed.graph.initializer[0].raw_data = changed.graph.initializer[0].raw_data[::-1]
    onnx.save(changed, other)
    more = [
        replace(options, boards=3),
        replace(options, scheme="InH"),
        replace(options, shapes={"image": (1, 3, 32, 32)}),
        replace(options, target=("llvm",)),
        *(replace(options, cluster_file=file) for file in files),
        *(replace(options, plan=file) for file in files),
        *(replace(options, cost=(str(file),)) for file in files),
    ]
    keys = [artifact_key(small_onnx, one) for one in (options, *more)]
    keys += [artifact_key(small_onnx, options, tuned=file) for file in files]
    keys += [artifact_key(small_onnx, options, threads=1), artifact_key(other, options)]
    keys += [artifact_key(small_onnx, options, fallbacks=1)]
    keys += [whole_key(small_onnx, SHAPES, "llvm", precision) for precision in ("fp32", "fp16")]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert artifact_key(small_onnx, PlanOptions(dict(SHAPES), 2)) == keys[0]
    before = artifact_key(small_onnx, replace(options, plan=files[0]))
    files[0].write_text("another plan of the same name")
    assert artifact_key(small_onnx, replace(options, plan=files[0])) != before


def test_a_model_with_weights_in_other_files_is_made_anew(small_onnx, tmp_path):
    path = tmp_path / "apart.onnx"
    onnx.save(onnx.load(small_onnx), path, save_as_external_data=True, size_threshold=0)
    assert artifact_key(path, PlanOptions(SHAPES, 2)) is None
