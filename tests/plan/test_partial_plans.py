# SPDX-License-Identifier: Apache-2.0
"""The planner lets boards make partial results where that pays, and the answers are right."""

import numpy as np
import pytest
from plan_graphs import Builder

from flexpie_tvm.cost import Analytic, Table
from flexpie_tvm.plan import (
    BASELINES,
    ClusterSpec,
    Planner,
    baseline_plan,
    best_plan,
    plan_from_json,
    plan_to_json,
)
from flexpie_tvm.plan.predict.evaluate import evaluate
from flexpie_tvm.plan.predict.simulate import simulate
from flexpie_tvm.plan.search.candidates import shares_for
from flexpie_tvm.relay import import_module
from flexpie_tvm.rules.partial import UNIT
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.properties import largest_error
from flexpie_tvm.testing.random_graphs import random_model


def pooled(fused=False):
    """A map that is dear to make by channels, pooled globally."""
    b = Builder()
    x = b.conv(b.input(1, 3, 20, 20), 8)
    x = b.conv(b.relu(x), 8, groups=8)
    x = b.global_pool(x)
    return b.graph(b.conv(b.relu(x) if fused else x, 4, 1))


def partial(plan):
    return [name for name, choice in plan.choices.items() if choice.is_partial]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("boards", [2, 3, 4])
def test_a_global_pool_over_a_tiny_link_is_made_of_parts(boards, fused):
    graph, cost = pooled(fused), Analytic(gflops=0.01, overhead=0)
    plan = best_plan(graph, ClusterSpec(boards, 1e6, latency=1e-5), cost)
    assert len(partial(plan)) == 1
    figures = evaluate(graph, plan, cost)
    assert figures.latency == pytest.approx(plan.notes["predicted_ms"])
    assert plan.choices[partial(plan)[0]].split.axes[0] in (2, 3)
    assert simulate(graph, plan, cost).latency <= figures.latency * (1 + 1e-9)
    again = plan_from_json(plan_to_json(plan, graph), "plan.json")
    assert partial(again) == partial(plan)


def test_baselines_of_the_paper_stay_whole():
    graph, cluster = pooled(), ClusterSpec(3, 1e6)
    for name in BASELINES:
        assert not partial(baseline_plan(name, graph, cluster, Analytic(gflops=0.01)))


def test_results_of_the_model_are_not_made_of_parts():
    b = Builder()
    graph = b.graph(b.global_pool(b.conv(b.input(1, 3, 8, 8), 4)))
    made = shares_for(graph, ClusterSpec(2), every=True)
    assert not set(made) & set(graph.outputs)


def test_random_models_made_of_parts_give_the_whole_answer():
    """Costs that favour partial results: whatever is chosen runs and is right."""
    evaluator, seen = Evaluator(), 0
    for seed in range(60, 90):
        mod = random_model(SeededChoices(seed), 8)
        graph = import_module(mod).graph
        cost = Table(lambda t: float(t.flops + t.bytes_read), lambda t: 1e-3 * t.nbytes.sum())
        planner = Planner(graph, ClusterSpec(2 + seed % 3), cost)
        plan = best_plan(graph, planner.cluster, planner=planner)
        if not partial(plan):
            continue
        seen += 1
        assert largest_error(mod, plan, evaluator, seed) <= 1e-4, f"seed {seed}"
    assert seen >= 3


def mean_of(size, kind):
    b = Builder()
    return b.graph(b.relu(b.conv(b.mean(b.conv(b.input(1, 3, size, size), 4), (2, 3), kind), 4, 1)))


@pytest.mark.parametrize(
    ("size", "kind", "offered"),
    [(20, "mean", True), (40, "mean", False), (160, "sum", False), (160, "max", True)],
)
def test_sums_whose_order_matters_are_not_made_of_parts(size, kind, offered):
    graph = mean_of(size, kind)
    names = {graph.tensors[t].name for t in shares_for(graph, ClusterSpec(4), every=True)}
    assert any(name.startswith(kind) for name in names) == offered


def test_equal_numbers_round_as_far_as_the_limit_says():
    """Why long sums stay whole: a blank image rounds one way, up to n * 2^-24."""
    worst = {}
    for count in (400, 25600):
        errors = []
        for value in np.linspace(0.1, 2, 50, dtype="float32"):
            exact = float(value) * count
            one_by_one = np.cumsum(np.full(count, value))[-1]
            errors.append(abs(one_by_one - exact) / exact)
        worst[count] = max(errors)
        assert worst[count] <= count * UNIT
    assert 2 * worst[400] < 5e-5
    assert worst[25600] > 1e-4
