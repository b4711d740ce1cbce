# SPDX-License-Identifier: Apache-2.0
"""The plans that boards themselves should choose among."""

from __future__ import annotations

import pytest
from plan_graphs import chain

from flexpie_tvm.cost import Table
from flexpie_tvm.plan import ClusterSpec, baseline_plan, best_plan, evaluate, finalists
from flexpie_tvm.plan.predict.evaluate import taking_part

#: Every exchange takes as long as a part of a layer, and every board's call a little.
COST = Table(lambda t: t.flops * 1e-6, lambda t: 0.02, monotone=True, call=0.01)
GRAPH, CLUSTER = chain(3, 8, 16), ClusterSpec(4)


def test_the_best_is_first_and_one_board_is_among_them():
    plans = finalists(GRAPH, CLUSTER, COST, 20)
    assert plans[0].choices == best_plan(GRAPH, CLUSTER, COST).choices
    working = [len(taking_part(plan.geometry(GRAPH))) for plan in plans]
    assert 1 in working[:2]
    assert {2, 3, 4} <= set(working)
    told = [plan.geometry(GRAPH) for plan in plans]
    assert all(one.tiles != other.tiles or one.exchanges != other.exchanges
               for k, one in enumerate(told) for other in told[:k])  # fmt: skip
    predicted = [plan.notes["predicted_ms"] for plan in plans]
    assert predicted == [pytest.approx(evaluate(GRAPH, plan, COST).latency) for plan in plans]
    assert predicted[2:] == sorted(predicted[2:])
    for name in ("InH", "InW", "OutC", "2D-grid"):
        other = evaluate(GRAPH, baseline_plan(name, GRAPH, CLUSTER, COST), COST).latency
        assert predicted[0] <= other * (1 + 1e-9)


def test_as_many_as_asked_for_and_no_more_than_there_are():
    assert len(finalists(GRAPH, CLUSTER, COST, 3)) == 3
    assert len(finalists(GRAPH, ClusterSpec(1), COST, 3)) == 1


def test_what_does_not_fit_is_left_out():
    alone = evaluate(GRAPH, baseline_plan("Single", GRAPH, CLUSTER, COST), COST)
    short = ClusterSpec(4, memory=(max(alone.memory) - 1,) * 4)
    for plan in finalists(GRAPH, short, COST, 20):
        assert max(evaluate(GRAPH, plan, COST).memory) < max(alone.memory)
