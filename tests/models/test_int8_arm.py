# SPDX-License-Identifier: Apache-2.0
"""An int8 model as aarch64 code, with and without dot products: one answer on every processor."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

import flexpie_tvm
from flexpie_tvm.codegen.build import build_boards
from flexpie_tvm.lab.testbed.emulated import prepare_emulated
from flexpie_tvm.relay.layout import layout_of, with_layout
from flexpie_tvm.testing.int8_networks import last_step

from .test_int8 import inputs, onnxruntime_answer, quantized  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="this machine is no x86-64: aarch64 is not emulated here"
)
GUEST = """
import sys, numpy as np, tvm
from tvm.contrib import graph_executor
library, data, answer = sys.argv[1:]
graph = graph_executor.GraphModule(tvm.runtime.load_module(library)["default"](tvm.cpu(0)))
graph.set_input(0, np.load(data))
graph.run()
np.save(answer, graph.get_output(0).numpy())
"""


def _board(path, target: str) -> tvm.IRModule:
    """The whole model as one board's module."""
    module = flexpie_tvm.FlexPiePreOptimize(target)(flexpie_tvm.load_onnx(path))
    main = module["main"]
    function = relay.Function(main.params, relay.Tuple([main.body]))
    board = relay.transform.InferType()(tvm.IRModule.from_expr(function))
    return with_layout(board, layout_of(module))


def _library(path, target: str, folder: Path) -> Path:
    boards, targets = [_board(path, target)], [tvm.target.Target(target)]
    (library,) = build_boards(boards, targets, folder, ["aarch64-linux-gnu-g++"])
    return library


def _code(library: Path) -> str:
    command = ["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _answer(library: Path, data: np.ndarray) -> np.ndarray:
    """What the code answers in an emulator."""
    python, folder = prepare_emulated("aarch64"), library.parent
    np.save(folder / "x.npy", data)
    (folder / "guest.py").write_text(GUEST)
    files = [folder / "guest.py", library, folder / "x.npy", folder / "y.npy"]
    own = {"PYTHONPATH": str(python.packages), "TVM_NUM_THREADS": "1", "TVM_USE_RUNTIME_LIB": "1"}
    subprocess.run([python.interpreter, *files], env=os.environ | own, check=True)
    return np.load(folder / "y.npy")


@pytest.mark.parametrize(
    ("cpu", "instruction"),
    [("cortex-a72", r"sadalp\s+v\d+\.4s, v\d+\.8h"), ("cortex-a76", r"sdot\s.*4b\[")],
)
def test_answers_are_onnxruntimes_within_a_step(cpu, instruction, quantized, inputs, tmp_path):  # noqa: F811
    target = f"llvm -mtriple=aarch64-linux-gnu -mcpu={cpu} -keys=arm_cpu,cpu"
    library = _library(quantized, target, tmp_path)
    assert len(re.findall(instruction, _code(library))) > 50
    answer, expected = _answer(library, inputs["x"]), onnxruntime_answer(quantized, inputs)
    assert len(np.unique(expected)) > 5
    assert np.abs(answer - expected).max() <= last_step(quantized) * 1.001


def _largest_products(path: Path, least: int, kernel: int) -> Path:
    """A convolution whose products are as large as any: least data by least weights."""
    weights = np.random.default_rng(5).integers(least, 128, (12, 12, kernel, kernel), "int8")
    weights[:7] = least
    constants = {
        "sx": np.float32(0.02), "zx": np.uint8(128), "w": weights, "sw": np.float32(0.01),
        "zw": np.int8(0), "sy": np.float32(0.02 * 0.01 * 12 * kernel**2 * 100), "zy": np.uint8(0),
    }  # fmt: skip
    node = helper.make_node("QLinearConv", ["x", *constants], ["y"], pads=[kernel // 2] * 4)
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, (1, 12, 9, 11)) for name in "xy")
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph([node], "largest", [x], [y], kept)
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize(("least", "fused"), [(-128, False), (-127, True)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_largest_products_keep_their_bits(least, fused, kernel, tmp_path):
    """Two products of 16 bits are added to each other only where that cannot overflow."""
    path = _largest_products(tmp_path / "largest.onnx", least, kernel)
    target = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
    library = _library(path, target, tmp_path)
    assert bool(re.search(r"smlal\s+v\d+\.8h, v\d+\.8b", _code(library))) is fused
    data = np.zeros((1, 12, 9, 11), "uint8")
    data[..., ::3] = np.random.default_rng(6).integers(0, 256, (1, 12, 9, 4))
    expected = onnxruntime_answer(path, {"x": data})
    assert len(np.unique(expected)) > 5
    np.testing.assert_array_equal(_answer(library, data), expected)
