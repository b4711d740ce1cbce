# SPDX-License-Identifier: Apache-2.0
"""An int8 model as aarch64 code, with and without dot products: one answer on every processor."""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
import pytest
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.codegen.build import build_boards
from flexpie_tvm.relay.layout import layout_of, with_layout
from flexpie_tvm.testbed.emulated import prepare_emulated
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


@pytest.mark.parametrize(
    ("cpu", "instruction"),
    [("cortex-a72", r"smlal\s+v\d+\.4s, v\d+\.4h, v\d+\.h\["), ("cortex-a76", r"sdot\s.*4b\[")],
)
def test_answers_are_onnxruntimes_within_a_step(cpu, instruction, quantized, inputs, tmp_path):  # noqa: F811
    target = f"llvm -mtriple=aarch64-linux-gnu -mcpu={cpu} -keys=arm_cpu,cpu"
    python = prepare_emulated("aarch64")
    (library,) = build_boards(
        [_board(quantized, target)], [tvm.target.Target(target)], tmp_path,
        ["aarch64-linux-gnu-g++"],
    )  # fmt: skip
    code = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", str(library)],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert len(re.findall(instruction, code)) > 100
    np.save(tmp_path / "x.npy", inputs["x"])
    (tmp_path / "guest.py").write_text(GUEST)
    subprocess.run(
        [str(python.interpreter), str(tmp_path / "guest.py"), str(library),
         str(tmp_path / "x.npy"), str(tmp_path / "y.npy")],
        env=os.environ | {"PYTHONPATH": str(python.packages), "TVM_NUM_THREADS": "1",
                          "TVM_USE_RUNTIME_LIB": "1"},
        check=True,
    )  # fmt: skip
    answer, expected = np.load(tmp_path / "y.npy"), onnxruntime_answer(quantized, inputs)
    assert len(np.unique(expected)) > 5
    assert np.abs(answer - expected).max() <= last_step(quantized) * 1.001
