# SPDX-License-Identifier: Apache-2.0
"""Boards that execute aarch64 code, alone and beside x86-64 ones, with a trained model."""

from __future__ import annotations

import os
import shutil

import numpy as np
import onnxruntime
import pytest

import flexpie_tvm
from flexpie_tvm.errors import ClusterError
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.lab.testbed.emulated import MARK, EmulatedPython, fingerprint, prepare_emulated
from flexpie_tvm.runtime import Cluster, list_boards, relative_error
from flexpie_tvm.testing.networks import PADDLE, paddle_model

from .conftest import needs_root

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
LIMIT = 1e-4

needs_x86 = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="this machine is no x86-64: aarch64 is not emulated here"
)
pytestmark = needs_x86


@pytest.fixture
def bed(tmp_path_factory):
    """One x86-64 board and two aarch64 ones, new for each test: emulated servers take long to
    give a board back."""
    options = TestbedOptions(3, archs=("x86_64", "aarch64", "aarch64"))
    with testbed(options, "arm", tmp_path_factory.mktemp("testbeds")) as made:
        yield made


@pytest.fixture(scope="module")
def classifier():
    """The text direction classifier of PP-OCRv4, an input, and what onnxruntime answers."""
    path, shapes = paddle_model("ppocr_cls"), PADDLE["ppocr_cls"].shapes
    rng = np.random.default_rng(5)
    inputs = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return flexpie_tvm.load_onnx(path, shapes), inputs, session.run(None, inputs)


@needs_root
@pytest.mark.parametrize("archs", [("aarch64", "aarch64"), ("x86_64", "aarch64")], ids="-".join)
def test_a_trained_model_on_arm_boards(archs, bed, classifier, target, tmp_path):
    whole, inputs, expected = classifier
    targets = [ARM if arch == "aarch64" else target for arch in archs]
    module = flexpie_tvm.FlexPiePreOptimize(targets)(whole)
    annotated = flexpie_tvm.FlexPiePartition(2, "InH")(module)
    artifact = flexpie_tvm.build(annotated, targets, tmp_path / "classifier.flexpie")
    with (
        Cluster.connect((bed.host, bed.port), bed.key, 3) as cluster,
        cluster.deploy(artifact, deadline=120) as deployment,
    ):
        answers = deployment.run(inputs)
        ran_on = tuple(session.arch(("x86_64", "aarch64")) for session in deployment.sessions)
        sent = [sum(e["bytes_sent"] for e in s["exchanges"]) for s in deployment.stats()]
    assert ran_on == archs
    assert min(sent) > 0
    for answer, wanted in zip(answers, expected, strict=True):
        assert float(np.ptp(wanted)) > 0
        assert relative_error(answer, wanted) < LIMIT


@needs_root
def test_emulated_boards_say_what_they_are(bed):
    boards = list_boards(bed.host, bed.port)
    assert [board.arch for board in boards] == ["x86_64", "aarch64", "aarch64"]
    assert [board.state for board in boards] == ["free"] * 3


def test_a_damaged_cache_is_noticed(tmp_path):
    python = EmulatedPython(tmp_path)
    (tmp_path / "root").mkdir()
    (tmp_path / "packages").mkdir()
    library = tmp_path / "packages/libtvm_runtime.so"
    library.write_bytes(b"all of it")
    assert not python.complete
    (tmp_path / MARK).write_text(fingerprint(tmp_path))
    assert python.complete
    library.write_bytes(b"half")
    assert not python.complete


def test_without_qemu_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ClusterError, match="not here: install qemu-user-static"):
        prepare_emulated("aarch64")
