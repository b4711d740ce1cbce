# SPDX-License-Identifier: Apache-2.0
"""Artifacts on disk: whole, checked, replaced only by whole ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import ArtifactError
from flexpie_tvm.relay.targets import targets_of
from flexpie_tvm.runtime.compile import describe


@pytest.fixture
def copy(artifacts, tmp_path):
    """A copy of an artifact that a test may damage."""
    path = tmp_path / "copy.flexpie"
    shutil.copytree(artifacts(2, "InH").path, path)
    return path


def test_an_artifact_says_what_it_is(artifacts):
    made = artifacts(2, "InH")
    read = flexpie_tvm.load_artifact(made.path)
    assert read == made
    assert [p.name for p in read.inputs] == ["image"]
    assert sorted(f.name for f in made.path.iterdir()) == [
        "artifact.json",
        "board0.so",
        "board1.so",
        "plan.json",
    ]


def test_inputs_that_no_answer_depends_on_are_known():
    names = ("mask", "x", "spare")
    x = {name: relay.var(name, shape=(1, 2, 4, 4)) for name in names}
    mod = tvm.IRModule.from_expr(relay.Function(list(x.values()), relay.nn.relu(x["x"])))
    lowered = flexpie_tvm.lower(flexpie_tvm.FlexPiePartition(2, "InH")(mod))
    made = describe(lowered, targets_of("llvm", 2), Path("none.flexpie"))
    assert [p.name for p in made.inputs] == list(names)
    assert [all(r.is_empty for r in p.regions) for p in made.inputs] == [True, False, True]


def test_the_plan_can_be_read_back(artifacts):
    plan = flexpie_tvm.load_plan(artifacts(2, "InH").path / "plan.json")
    assert plan.boards == 2
    assert plan.scheme == "InH"
    assert {choice.mode for choice in plan.choices.values()} == {"T"}


def test_a_flipped_byte_is_found(copy):
    data = bytearray((copy / "board1.so").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "board1.so").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"board1\.so is damaged"):
        flexpie_tvm.load_artifact(copy)


def test_a_missing_file_is_found(copy):
    (copy / "board0.so").unlink()
    with pytest.raises(ArtifactError, match=r"lacks board0\.so"):
        flexpie_tvm.load_artifact(copy)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"version": 99}', '{"version": 3}', '{"version": 3, "sha256": []}'],
)
def test_a_bad_manifest_is_a_clear_error(copy, text):
    (copy / "artifact.json").write_text(text)
    with pytest.raises(ArtifactError, match="build it again"):
        flexpie_tvm.load_artifact(copy)


def test_nothing_but_an_artifact_is_replaced(small_module, target, tmp_path):
    path = tmp_path / "precious"
    path.mkdir()
    (path / "file").write_text("keep")
    mod = flexpie_tvm.FlexPiePartition(2)(flexpie_tvm.FlexPiePreOptimize(target)(small_module))
    with pytest.raises(ArtifactError, match="is not an artifact"):
        flexpie_tvm.build(mod, target, path)
    assert (path / "file").read_text() == "keep"


def test_a_link_to_an_artifact_stays_a_link(copy, small_module, target):
    link = copy.parent / "link.flexpie"
    link.symlink_to(copy)
    mod = flexpie_tvm.FlexPiePartition(1)(flexpie_tvm.FlexPiePreOptimize(target)(small_module))
    flexpie_tvm.build(mod, target, link)
    assert link.is_symlink()
    assert flexpie_tvm.load_artifact(copy).boards == 1


def test_equal_tiles_share_kernels(artifacts):
    # the inner boards of four have the same tiles: their libraries differ in exchanges only
    sizes = [artifacts(4, "InH").library(board).stat().st_size for board in range(4)]
    assert abs(sizes[1] - sizes[2]) < 4096


def test_weights_are_divided_by_output_channels(artifacts):
    manifest = json.loads((artifacts(4, "OutC").path / "plan.json").read_text())
    cut = [layer for layer in manifest["layers"] if layer["scheme"] == "OutC"]
    assert cut
    assert all(layer["axes"] == [1] for layer in cut)
    whole = json.loads((artifacts(4, "Single").path / "plan.json").read_text())["memory"]
    parts = manifest["memory"]
    assert sum(part["weights"] for part in parts) == whole[0]["weights"] > parts[0]["weights"]
    assert [part["weights"] for part in whole[1:]] == [0, 0, 0]
    assert all(part["activations"] > 0 for part in parts[:2])
