# SPDX-License-Identifier: Apache-2.0
"""Plans of the planner, lowered and run on emulated boards: the whole model's answers."""

import random

import pytest

from flexpie_tvm.cost import Analytic
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import BASELINES, ClusterSpec, Planner, baseline_plan
from flexpie_tvm.plan.predict.evaluate import evaluate
from flexpie_tvm.relay import import_module
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import largest_error
from flexpie_tvm.testing.random_graphs import random_model

COST = Analytic(gflops=0.02, memory_bandwidth=1e8, overhead=1e-7, message=1e-7)


def cluster(rng):
    boards = rng.choice([2, 3, 4, 5])
    speeds = () if rng.random() < 0.5 else tuple(rng.choice([1, 2, 4]) for _ in range(boards))
    return ClusterSpec(boards, rng.choice([1e7, 1e9, 1e12]), latency=0.0, speeds=speeds)


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_any_model_any_cluster(start):
    evaluator = Evaluator()
    for seed in range(start, start + 10):
        rng = random.Random(seed)
        mod = random_model(SeededChoices(seed), 8)
        if rng.random() < 0.5:
            mod = FlexPiePreOptimize()(mod)
        graph = import_module(mod).graph
        planner = Planner(graph, cluster(rng), COST)
        times = {}
        for name in ("auto", rng.choice(BASELINES)):
            plan = baseline_plan(name, graph, planner.cluster, planner=planner)
            times[name] = evaluate(graph, plan, COST).latency
            assert largest_error(mod, plan, evaluator, seed) <= 1e-4, f"seed {seed}, {name}"
        assert times["auto"] == min(times.values()), f"seed {seed}"
