# SPDX-License-Identifier: Apache-2.0
"""What TVM alone compiles a model for, where its kernels call what LLVM has no longer."""

from __future__ import annotations

import tvm
from tvm import relay
from tvm.target.codegen import llvm_version_major, target_has_features

from flexpie_tvm.kernels.products import BYTES_SINCE
from flexpie_tvm.runtime.single import build_single, stock_target

DOTS = "llvm -mtriple=x86_64-linux-gnu -mcpu=cascadelake"
OTHERS = (
    "llvm -mtriple=x86_64-linux-gnu -mcpu=haswell",
    "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu",
)


def test_targets_without_such_instructions_stay_as_they_are():
    for target in OTHERS:
        assert str(stock_target(target)) == str(tvm.target.Target(target))


def test_convolutions_of_bytes_compile_for_boards_with_dot_products(tmp_path):
    data = relay.var("data", shape=(1, 16, 4, 4), dtype="uint8")
    weight = relay.var("weight", shape=(16, 16, 1, 1), dtype="int8")
    zeros = [relay.const(0), relay.const(0), relay.const(1.0), relay.const(1.0)]
    sums = relay.qnn.conv2d(data, weight, *zeros, kernel_size=(1, 1), channels=16)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(sums))
    assert build_single(mod, DOTS, tmp_path / "whole.so").is_file()
    kept = target_has_features(["avx512vnni"], stock_target(DOTS))
    assert kept == (llvm_version_major() < BYTES_SINCE)
    assert target_has_features(["avx512bw"], stock_target(DOTS))
