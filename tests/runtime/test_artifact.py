# SPDX-License-Identifier: Apache-2.0
"""Artifacts on disk: whole, checked, replaced only by whole ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.errors import ArtifactError
from flexpie_tvm.relay.targets import targets_of
from flexpie_tvm.runtime.compile import describe
from flexpie_tvm.runtime.manifest import digest


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
    [
        "",
        "[]",
        "{",
        '{"version": 99}',
        '{"version": 4}',
        '{"version": 4, "sha256": []}',
        "[" * 200_000,
    ],
)
def test_a_bad_manifest_is_a_clear_error(copy, text):
    (copy / "artifact.json").write_text(text)
    with pytest.raises(ArtifactError, match="build it again"):
        flexpie_tvm.load_artifact(copy)


def change(path: Path, edit, sign: bool = True) -> None:
    """Edit a manifest in place; its digest is made right again, as somebody who means it would."""
    manifest = json.loads((path / "artifact.json").read_text())
    edit(manifest)
    if sign:
        manifest["digest"] = digest(manifest)
    (path / "artifact.json").write_text(json.dumps(manifest))


def swap_outputs(manifest: dict) -> None:
    manifest["outputs"][0]["regions"].reverse()


def test_any_change_of_the_manifest_is_found_by_its_digest(copy):
    change(copy, swap_outputs, sign=False)
    with pytest.raises(ArtifactError, match=r"artifact\.json is damaged"):
        flexpie_tvm.load_artifact(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.update(outputs=[]),
        lambda m: m.update(sha256={}),
        lambda m: m["sha256"].pop("board1.so"),
        lambda m: m["sha256"].pop("plan.json"),
        lambda m: m.update(boards=3),
        lambda m: m.update(boards=True),
        lambda m: m.update(boards=10**9),
        lambda m: m["targets"].pop(),
        lambda m: m["tables"].reverse(),
        lambda m: m["tables"][0].update(bytes_sent=-1),
        lambda m: m["tables"].__setitem__(0, None),
        lambda m: m["outputs"][0]["regions"].__setitem__(0, None),
        lambda m: m["outputs"][0]["regions"].__setitem__(0, m["outputs"][0]["regions"][1]),
        lambda m: m["outputs"][0].update(dtype="object"),
        lambda m: m["outputs"][0].update(shape=[1, 10**30]),
        lambda m: m["inputs"][0].update(name=7),
        lambda m: m["inputs"][0]["regions"][0][2].__setitem__(1, 99),
        lambda m: m["inputs"].append(m["inputs"][0]),
    ],
)
def test_a_manifest_without_sense_is_refused(copy, edit):
    change(copy, edit)
    with pytest.raises(ArtifactError, match="build it again"):
        flexpie_tvm.load_artifact(copy)


def test_a_model_that_the_manifest_does_not_list_is_not_verified_against(copy):
    (copy / "model.onnx").write_bytes(b"another one")
    with pytest.raises(ArtifactError, match="does not list"):
        flexpie_tvm.load_artifact(copy)


def test_random_damage_is_a_clear_error(copy):
    """Of plan, manifest and libraries: bytes changed, lost and put in.

    A space more or less in a manifest changes nothing.
    """
    right, refused = flexpie_tvm.load_artifact(copy), 0
    rng, whole = np.random.default_rng(81), {f: f.read_bytes() for f in copy.iterdir()}
    for _ in range(300):
        file = rng.choice(list(whole))
        data = bytearray(whole[file])
        for _ in range(rng.integers(1, 4)):
            at, kind = int(rng.integers(len(data))), rng.integers(3)
            data[at : at + (kind != 0)] = bytes(rng.integers(0, 256, int(kind != 1), "uint8"))
        if bytes(data) == whole[file]:
            continue
        file.write_bytes(data)
        try:
            assert flexpie_tvm.load_artifact(copy) == right
        except ArtifactError:
            refused += 1
        file.write_bytes(whole[file])
    assert refused > 250
    assert flexpie_tvm.load_artifact(copy) == right


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
