# SPDX-License-Identifier: Apache-2.0
"""``flexpie_tvm.compile`` and its stages: one call, one import, one plan object."""

from __future__ import annotations

import cProfile
import json
import pstats

import numpy as np
import onnx
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm import compiler
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import ArtifactError, InputError, ModelError, PlanError
from flexpie_tvm.plan import ClusterSpec, plan_to_json
from flexpie_tvm.relay import lower, read_plan
from flexpie_tvm.relay.targets import targets_of
from flexpie_tvm.runtime import relative_error
from flexpie_tvm.runtime.reference import reference

SHAPES = {"image": (1, 3, 16, 16)}
ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"


@pytest.fixture(scope="module")
def image():
    return {"image": np.random.default_rng(3).normal(size=SHAPES["image"]).astype("float32")}


def answers(artifact, boards, inputs):
    place = (boards.host, boards.port), boards.key, artifact.boards
    with flexpie_tvm.Cluster.connect(*place) as cluster, cluster.deploy(artifact) as deployment:
        return deployment.run(inputs)


def test_an_onnx_model_in_memory_is_compiled_for_this_machine(small_onnx, boards, image, tmp_path):
    model = onnx.load(str(small_onnx))
    before = model.SerializeToString(deterministic=True)
    artifact = flexpie_tvm.compile(
        model, tmp_path / "a.flexpie", cluster=3, shapes=SHAPES, scheme="InH"
    )
    assert model.SerializeToString(deterministic=True) == before
    assert (artifact.boards, artifact.scheme) == (3, "InH")
    assert [port.name for port in artifact.outputs] == ["answer"]
    assert onnx.load(str(artifact.model)) == model
    (answer,) = answers(artifact, boards, image)
    (expected,) = reference(small_onnx, image).answers
    assert relative_error(answer, expected) < 1e-4


def test_a_module_of_tvms_importer_is_compiled_with_its_params(
    small_onnx, boards, image, target, tmp_path
):
    model = onnx.load(str(small_onnx))
    mod, params = relay.frontend.from_onnx(model, SHAPES, freeze_params=False)
    assert len(mod["main"].params) == 4
    artifact = flexpie_tvm.compile(
        mod, tmp_path / "b.flexpie", ClusterSpec(2), target, params=params, scheme="OutC"
    )
    assert [port.name for port in artifact.inputs] == ["image"]
    assert artifact.model is None
    (answer,) = answers(artifact, boards, image)
    (expected,) = reference(small_onnx, image).answers
    assert relative_error(answer, expected) < 1e-4


def test_build_binds_the_params_of_an_annotated_module(boards, target, tmp_path):
    rng = np.random.default_rng(4)
    x, w = relay.var("x", shape=(1, 4, 8, 8)), relay.var("w", shape=(8, 4, 1, 1))
    body = relay.nn.conv2d(x, w, channels=8, kernel_size=(1, 1))
    mod = flexpie_tvm.FlexPiePartition(2, "InW")(tvm.IRModule.from_expr(body))
    weight = rng.normal(size=(8, 4, 1, 1)).astype("float32")
    artifact = flexpie_tvm.build(mod, target, tmp_path / "c.flexpie", params={"w": weight})
    assert [port.name for port in artifact.inputs] == ["x"]
    given = rng.normal(size=(1, 4, 8, 8)).astype("float32")
    (answer,) = answers(artifact, boards, {"x": given})
    expected = np.einsum("nchw,oc->nohw", given, weight[:, :, 0, 0])
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("scheme", "count"), [("auto", 4), ("2D-grid", 4), ("InC", 2)])
def test_a_plan_that_is_carried_is_the_plan_that_is_annotated(small_onnx, scheme, count):
    model = compiler.import_model(small_onnx, SHAPES)
    ready = compiler.prepare(model, targets_of(ARM, count))
    carried = compiler.partition(ready.layers, ClusterSpec(count), scheme)
    read = read_plan(carried.annotated)
    assert read.plan == carried.plan
    assert read.graph == carried.graph
    assert plan_to_json(read.plan, read.graph) == plan_to_json(carried.plan, carried.graph)
    by_pass = flexpie_tvm.FlexPiePartition(count, scheme)(ready.layers.module)
    assert tvm.ir.structural_equal(by_pass, carried.annotated)
    for one, other in zip(lower(carried).boards, lower(by_pass).boards, strict=True):
        assert tvm.ir.structural_equal(one, other)


def calls(profile: cProfile.Profile, function: str) -> int:
    """How often a function of ours was called."""
    rows = pstats.Stats(profile).stats.items()
    return sum(
        row[1] for (file, _, name), row in rows if name == function and "flexpie_tvm" in file
    )


def test_a_verified_run_imports_its_model_once(small_onnx, tmp_path):
    metrics = tmp_path / "metrics.json"
    command = ["run", str(small_onnx), "--shape", "image=1x3x16x16", "--local", "--boards", "2"]
    command += ["--scheme", "InH", "--repeat", "1", "--verify", "--json", str(metrics)]
    profile = cProfile.Profile()
    assert profile.runcall(run_command, command) == 0
    assert json.loads(metrics.read_text())["max_rel_err"] < 1e-4
    assert calls(profile, "import_onnx") == 1  # the file
    assert calls(profile, "import_module") == 1  # the module
    assert calls(profile, "choose_plan") == 2  # for the boards, and for one of them


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scheme": "InD"}, PlanError, "unknown scheme"),
        ({"cluster": 0}, PlanError, "0 boards"),
        ({"target": "cuda"}, InputError, "not one of TVM's CPU targets"),
        ({"target": ["llvm", "llvm"], "cluster": 3}, InputError, "2 targets for 3 boards"),
        ({"precision": "fp16", "target": ARM}, InputError, "cortex-a72 has no fp16"),
        ({"fallbacks": 4}, InputError, "4 fallbacks for 4 boards"),
        ({"params": {"w0": np.zeros(1)}}, InputError, "params are for Relay modules"),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_is_imported(options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        flexpie_tvm.compile("nothing.onnx", tmp_path / "d.flexpie", **options)


def test_a_missing_model_and_a_taken_path_are_named(small_onnx, tmp_path):
    with pytest.raises(ModelError, match=r"'nothing\.onnx' does not exist"):
        flexpie_tvm.compile("nothing.onnx", tmp_path / "d.flexpie")
    with pytest.raises(ArtifactError, match="is not an artifact"):
        flexpie_tvm.compile(small_onnx, tmp_path)
    with pytest.raises(InputError, match="shapes are for files"):
        flexpie_tvm.compile(tvm.IRModule(), tmp_path / "d.flexpie", shapes=SHAPES)
