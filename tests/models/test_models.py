# SPDX-License-Identifier: Apache-2.0
"""Real networks on real RPC servers and emulated: one board's answers on 2, 3, 4, 7 boards."""

from __future__ import annotations

import numpy as np
import pytest

import flexpie_tvm
from flexpie_tvm.relay import import_module
from flexpie_tvm.runtime import Cluster, SingleBoard, build_single, relative_error
from flexpie_tvm.testing import emulate
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.networks import load_network
from flexpie_tvm.testing.random_plans import random_plan

SCHEMES = {2: "InH", 3: "OutC", 4: "2D-grid"}
LIMIT = 1e-4


@pytest.fixture(scope="module", params=["resnet50", "ppocr_det", "ppocr_cls"])
def network(request, tmp_path_factory, target, boards):
    """Pre-optimized module, inputs, and what stock TVM answers on one board."""
    folder = tmp_path_factory.mktemp(request.param)
    whole = load_network(request.param, folder)
    rng = np.random.default_rng(11)
    inputs = {
        p.name_hint: rng.normal(size=[int(n) for n in p.checked_type.shape]).astype("float32")
        for p in whole["main"].params
    }
    library = build_single(whole, target, folder / "whole.so")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster,
        SingleBoard(cluster.sessions[0], library, target) as single,
    ):
        expected = single.run(inputs)
    return flexpie_tvm.FlexPiePreOptimize(target)(whole), inputs, expected


@pytest.mark.parametrize("count", SCHEMES)
def test_answers_equal_one_board(count, network, target, boards, tmp_path):
    module, inputs, expected = network
    annotated = flexpie_tvm.FlexPiePartition(count, SCHEMES[count])(module)
    check_on_boards(annotated, inputs, expected, target, boards, tmp_path)


@pytest.mark.parametrize("network", ["ppocr_cls"], indirect=True)
def test_a_random_mixed_plan_equals_one_board(network, target, boards, tmp_path):
    """Uneven splits, T and NT, partial results, all in one plan."""
    module, inputs, expected = network
    plan = random_plan(import_module(module).graph, 3, SeededChoices(1))
    assert {choice.mode for choice in plan.choices.values()} == {"T", "NT"}
    assert any(choice.is_partial for choice in plan.choices.values())
    annotated = flexpie_tvm.FlexPiePartition(plan=plan)(module)
    check_on_boards(annotated, inputs, expected, target, boards, tmp_path)


@pytest.mark.parametrize("count", [4, 7])
def test_emulated_random_plans_equal_one_board(count, network):
    module, inputs, expected = network
    plan = random_plan(import_module(module).graph, count, SeededChoices(count))
    for answer, wanted in zip(emulate(plan, module, inputs), expected, strict=True):
        assert relative_error(answer, wanted) < LIMIT


def check_on_boards(annotated, inputs, expected, target, boards, tmp_path):
    """Build and run twice: one board's answers, the same bits each time."""
    count = int(annotated["main"].attrs["flexpie_boards"])
    artifact = flexpie_tvm.build(annotated, target, tmp_path / "model.flexpie")
    with (
        Cluster.connect((boards.host, boards.port), boards.key, count) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        answers = deployment.run(inputs)
        again = deployment.run(inputs)
    for answer, repeated, wanted in zip(answers, again, expected, strict=True):
        assert float(np.ptp(wanted)) > 0
        assert relative_error(answer, wanted) < LIMIT
        np.testing.assert_array_equal(answer, repeated)
