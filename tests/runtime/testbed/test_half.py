# SPDX-License-Identifier: Apache-2.0
"""A model in fp16 on boards that execute aarch64 code: onnxruntime's answers, and one board's."""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
import onnxruntime
import pytest

import flexpie_tvm
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
from flexpie_tvm.runtime import Cluster, relative_error, tolerance_of
from flexpie_tvm.testing.onnx_builder import OnnxBuilder

from .conftest import needs_root

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a76 -keys=arm_cpu,cpu"
pytestmark = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="this machine is no x86-64: aarch64 is not emulated here"
)
INSTRUCTIONS = {
    "convolutions and products": r"fmla\s+v\d+\.8h, v\d+\.8h, v\d+\.h\[",
    "depthwise convolutions": r"f(mla|mul)\s+v\d+\.8h, v\d+\.8h, v\d+\.8h",
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A convolutional network whose last pixels attend to each other, an input, its answers."""
    net = OnnxBuilder("half", seed=6)
    x = net.input("x", (1, 3, 32, 40))
    y = net.node("Relu", net.conv(x, 3, 32, 3, 2))
    z = net.node("Relu", net.conv(y, 32, 32, 3, groups=32))
    y = net.node("Add", y, net.conv(z, 32, 32, 1))
    y = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("Relu", net.conv(y, 32, 64, 3))
    rows = net.node("Reshape", y, net.constant(np.array([1, 64, 80])))
    tokens = net.node("Transpose", rows, perm=[0, 2, 1])
    scores = net.node("Mul", net.node("MatMul", tokens, rows), net.constant(np.float32(1 / 64)))
    mixed = net.node("MatMul", net.node("Softmax", scores, axis=-1), tokens)
    answer = net.linear(net.layer_norm(mixed, 64), 64, 24)
    path = net.save(answer, (1, 80, 24), tmp_path_factory.mktemp("half") / "half.onnx")
    inputs = {"x": np.random.default_rng(7).normal(size=(1, 3, 32, 40)).astype("float32")}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return flexpie_tvm.load_onnx(path), inputs, session.run(None, inputs)[0]


@needs_root
def test_answers_are_onnxruntimes_and_cut_ones_are_one_boards(network, tmp_path):
    whole, inputs, expected = network
    module = flexpie_tvm.FlexPiePreOptimize(ARM, "fp16")(whole)

    def built(boards: int, scheme: str) -> flexpie_tvm.Artifact:
        annotated = flexpie_tvm.FlexPiePartition(boards, scheme)(module)
        return flexpie_tvm.build(annotated, ARM, tmp_path / f"{scheme}.flexpie")

    single, several = built(1, "Single"), built(2, "InH")
    for name, pattern in INSTRUCTIONS.items():
        assert len(re.findall(pattern, disassembled(single))) > 50, name
    options = TestbedOptions(2, archs=("aarch64", "aarch64"))
    with (
        testbed(options, "half", tmp_path) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, 2) as cluster,
    ):
        answers = []
        for artifact in (single, several):
            with cluster.deploy(artifact, deadline=300) as deployment:
                answers.append(deployment.run(inputs)[0])
    alone, cut = answers
    assert alone.dtype == expected.dtype == np.float32
    assert 1e-6 < relative_error(alone, expected) < tolerance_of("onnxruntime", "fp16")
    assert several.bytes_exchanged > 0
    assert relative_error(cut, alone) < tolerance_of("flexpie", "fp16")


def disassembled(artifact: flexpie_tvm.Artifact) -> str:
    command = ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", str(artifact.library(0))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
