# SPDX-License-Identifier: Apache-2.0
"""Random models cut at random, with kernels for ARM, executed under qemu: right answers.

Those of float32 models are numpy's, those of int8 models onnxruntime's. Which kernels TVM chose is
told by its own log.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import ClusterSpec, uniform_plan
from flexpie_tvm.relay import import_module
from flexpie_tvm.testing import emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.random_graphs import random_inputs

from .emulated_cases import (
    LIMIT,
    EmulatedCase,
    arm_target,
    float_case,
    int8_case,
    run_case,
)
from .held import small_network

#: Graphs for cores with dot products, and quantized ones for each kind of core.
OTHER_GRAPHS, INT8_GRAPHS = 4, 4
OTHER_SEEDS = 10_000  # far from those of the Cortex-A72
#: Operator -> our implementation of it, and what is left to TVM: depthwise with several filters
#: for a channel.
OURS = {
    "nn.batch_matmul": "batch_matmul.flexpie",
    "nn.contrib_conv2d_NCHWc": "flexpie_blocked_conv",
    "nn.contrib_dense_pack": "flexpie_packed_dense",
    "nn.conv2d": "group_conv2d_nchw.flexpie",
}
LEFT = {"depthwise_conv2d_nchw.arm_cpu"}
INT8 = ("flexpie.integer_conv2d", "flexpie.integer_dense", "flexpie.integer_depthwise")


@pytest.fixture(scope="module")
def chosen(emulated_boards, tmp_path_factory):
    """(int8 or not, processor, seed) -> what TVM chose for a graph whose answers are right."""
    evaluator = Evaluator()

    @cache
    def ran(quantized: bool, cpu: str, seed: int):
        folder, target = tmp_path_factory.mktemp("graph"), arm_target(cpu)
        case = int8_case(seed, target, folder) if quantized else float_case(seed, target, evaluator)
        found = run_case(case, target, emulated_boards(cpu), folder)
        assert found.error <= case.limit, f"seed {seed}: relative error {found.error:.3g}"
        if case.is_laid_out and not quantized:
            others = {own for name, own in found.chosen if own != OURS.get(name, own)} - LEFT
            assert not others, f"seed {seed}: kernels of TVM's: {others}"
        return found.chosen

    return ran


def test_float32_graphs(chosen, request):
    total = Counter()
    for seed in range(request.config.getoption("--emulated-graphs")):
        total.update(chosen(False, "cortex-a72", seed))
    kernels = {name: own for name, own in total if name in OURS}
    assert kernels == OURS


def test_float32_graphs_for_cores_with_dot_products(chosen):
    for seed in range(OTHER_SEEDS, OTHER_SEEDS + OTHER_GRAPHS):
        assert any("flexpie" in own for _, own in chosen(False, "cortex-a76", seed))


@pytest.mark.parametrize("cpu", ["cortex-a72", "cortex-a76"])
def test_int8_graphs(cpu, chosen):
    total = Counter()
    for seed in range(INT8_GRAPHS):
        total.update(chosen(True, cpu, seed))
    assert {name for name, _ in total if name in INT8} == set(INT8)


@pytest.mark.parametrize("scheme", ["InH", "OutC"])
def test_kernels_that_random_graphs_seldom_have(scheme, emulated_boards, tmp_path):
    target = arm_target("cortex-a72")
    model = load_onnx(small_network(tmp_path))
    module = FlexPiePreOptimize(target)(model)
    plan = uniform_plan(import_module(module).graph, ClusterSpec(2), scheme)
    inputs = random_inputs(model, 0)
    case = EmulatedCase(module, plan, inputs, emulate_whole(model, inputs), LIMIT, True)
    found = run_case(case, target, emulated_boards("cortex-a72"), tmp_path)
    assert found.error <= LIMIT
    assert {"flexpie_winograd", "flexpie_blocked_depthwise"} <= {own for _, own in found.chosen}
