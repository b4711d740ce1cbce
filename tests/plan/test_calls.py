# SPDX-License-Identifier: Apache-2.0
"""The host's calls of boards are a part of what an inference costs."""

from __future__ import annotations

import pytest
from plan_graphs import Builder

from flexpie_tvm.cost import PerKind
from flexpie_tvm.cost.table import Table
from flexpie_tvm.plan import ClusterSpec, baseline_plan, best_plan
from flexpie_tvm.plan.predict.evaluate import evaluate, taking_part
from flexpie_tvm.plan.predict.simulate import simulate
from flexpie_tvm.plan.search.auto import WORTH

CLUSTER = ClusterSpec(2, 1e9)


def network():
    """Three convolutions."""
    b = Builder()
    x = b.input(1, 8, 16, 16)
    for _ in range(3):
        x = b.conv(x, 8)
    return b.graph(x)


def costs(call: float) -> Table:
    """.3 ms on one board, half of that on two; messages take a hundredth of a millisecond."""
    whole = sum(evaluate(network(), PLAN, FLOPS).compute[0]) or 1.0
    return Table(
        lambda t: 0.1 * t.flops / whole / t.speed, lambda t: 0.01, monotone=True, call=call
    )


FLOPS = Table(lambda t: float(t.flops), lambda t: 0.0)
PLAN = baseline_plan("Single", network(), ClusterSpec(1, 1e9), FLOPS)


def test_one_board_is_taken_where_a_second_call_costs_more_than_it_saves():
    graph = network()
    for call, boards in ((0.0, 2), (0.02, 2), (0.2, 1)):
        cost = costs(call)
        plan = best_plan(graph, CLUSTER, cost)
        assert len(taking_part(plan.geometry(graph))) == boards
        figures = evaluate(graph, plan, cost)
        assert figures.calls == pytest.approx(call * boards)
        assert plan.notes["predicted_ms"] == pytest.approx(figures.latency)
        others = [baseline_plan(name, graph, CLUSTER, cost) for name in ("Single", "InH", "OutC")]
        for other in others:
            assert figures.latency <= evaluate(graph, other, cost).latency * (1 + 1e-9)


def test_calls_are_in_the_sum_and_in_the_replay():
    graph = network()
    for scheme, boards in (("Single", 1), ("InH", 2)):
        plan = baseline_plan(scheme, graph, CLUSTER, costs(0.0))
        free, dear = (evaluate(graph, plan, costs(call)).latency for call in (0.0, 0.5))
        assert dear == pytest.approx(free + 0.5 * boards)
        early, late = (simulate(graph, plan, costs(call)) for call in (0.0, 0.5))
        assert late.latency == pytest.approx(early.latency + 0.5 * boards)
        assert min(event.start for event in late.events) == pytest.approx(0.5 * boards)


def test_models_by_kind_ask_the_model_of_the_network():
    assert PerKind({"a": costs(1.0)}, costs(2.0)).calls(3) == pytest.approx(6.0)


def test_memory_that_one_board_does_not_have_keeps_two_at_work():
    graph = network()
    alone = evaluate(graph, baseline_plan("Single", graph, CLUSTER, costs(0.2)), costs(0.2))
    short = ClusterSpec(2, 1e9, memory=(max(alone.memory) - 1,) * 2)
    plan = best_plan(graph, short, costs(0.2))
    assert len(taking_part(plan.geometry(graph))) == 2


def test_fewer_boards_are_taken_where_the_last_calls_cost_more_than_they_save():
    """Of four boards: a call more costs C and saves less and less of the computing."""
    graph, cluster, taken = network(), ClusterSpec(4, 1e9), []
    for call in (0.0, 0.02, 0.045, 0.2):
        cost = costs(call)
        plan = best_plan(graph, cluster, cost)
        taken.append(len(taking_part(plan.geometry(graph))))
        least = min(
            evaluate(graph, best_plan(graph, ClusterSpec(k, 1e9), costs(0.0)), cost).latency
            for k in (1, 2, 3, 4)
        )
        assert evaluate(graph, plan, cost).latency <= least * (1 + WORTH)
    assert taken[0] == 4
    assert taken[-1] == 1
    assert 1 < min(taken[1:3]) < 4
    assert taken == sorted(taken, reverse=True)


def test_of_unequal_boards_the_fastest_are_kept():
    graph, cost = network(), costs(0.045)
    plan = best_plan(graph, ClusterSpec(4, 1e9, speeds=(0.3, 1, 0.3, 1)), cost)
    assert taking_part(plan.geometry(graph)) == [1, 3]
