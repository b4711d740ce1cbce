# SPDX-License-Identifier: Apache-2.0
"""Costs that were measured err: what more boards save must exceed what they spend beyond that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from plan_graphs import Builder

from flexpie_tvm.cost import Learned
from flexpie_tvm.cost.table import Table
from flexpie_tvm.plan import ClusterSpec, baseline_plan, best_plan
from flexpie_tvm.plan.predict.evaluate import Evaluation, evaluate
from flexpie_tvm.plan.search.doubt import MOST, MOVES, TILES, Doubt, doubt_of

CLUSTER = ClusterSpec(2, 1e9)


def figures(tiles: float, moves: float) -> Evaluation:
    return Evaluation(
        compute={0: np.array([tiles, 0.0])}, exchange={0: 0.75 * moves}, calls=0.25 * moves
    )


@pytest.mark.parametrize(
    ("saved", "spent", "gains"),
    [
        (1.0, 0.7, True),  # .93 > .875
        (1.0, 0.75, False),  # .93 < .9375, although .25 ms are predicted to be saved
        (4.0, 2.97, True),  # it is shares that count, not milliseconds
        (4.0, 2.98, False),
        (0.0, 0.1, False),
    ],
)
def test_what_is_saved_must_exceed_what_is_spent_by_the_errors_of_both(saved, spent, gains):
    one, two = figures(5.0, 0.3), figures(5.0 - saved, 0.3 + spent)
    assert Doubt(0.07, 0.25).gains(two, one) == gains


def test_without_errors_the_faster_plan_is_taken():
    assert Doubt().gains(figures(1.0, 0.98), figures(2.0, 0.0))
    assert not Doubt().gains(figures(1.0, 1.02), figures(2.0, 0.0))


def test_no_plan_above_the_limit_would_be_preferred():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        doubt = Doubt(*rng.uniform(0, MOST, 2))
        one, two = (figures(*rng.uniform(0, 3, 2)) for _ in range(2))
        if one.latency > doubt.limit(two):
            assert doubt.gains(two, one)


def test_errors_are_those_of_what_was_held_out(learned):
    def told(**errors: float) -> Learned:
        metrics = {name: {"median": error, "mape": 9.0} for name, error in errors.items()}
        origin = replace(learned.origin, metrics=metrics)
        return Learned(learned.tiles, learned.transfers, learned.figures, origin, learned.unit)

    assert doubt_of(told(tiles=0.06, exchange=0.3, scatter=0.1)) == Doubt(0.06, 0.3)
    assert doubt_of(told(conv=0.02, pool=0.04)) == Doubt(pytest.approx(0.03), MOVES)
    assert doubt_of(told(tiles=0.06, exchange=3.0)) == Doubt(0.06, MOST)
    assert doubt_of(told()) == Doubt(TILES, MOVES)
    assert doubt_of(Table(lambda t: 1.0, lambda t: 1.0)) == Doubt()


class Unsure(Table):
    """Figures of a table that are not to be trusted."""

    proves = False


@pytest.mark.parametrize(
    ("kind", "call", "boards"), [(Unsure, 0.6, 2), (Unsure, 0.85, 1), (Table, 0.85, 2)]
)
def test_two_boards_are_taken_where_they_gain_more_than_costs_err_by(kind, call, boards):
    """A second call takes a share of what two boards save; nothing else is spent."""
    b = Builder()
    x = b.input(1, 8, 16, 16)
    for _ in range(3):
        x = b.conv(x, 8)
    graph = b.graph(x)

    def best(call: float) -> Evaluation:
        cost = kind(lambda t: t.flops * 1e-6, lambda t: 0.0, monotone=True, call=call)
        return evaluate(graph, best_plan(graph, CLUSTER, cost), cost)

    alone = baseline_plan("Single", graph, CLUSTER)
    cost = Table(lambda t: t.flops * 1e-6, lambda t: 0.0)
    saved = evaluate(graph, alone, cost).latency - best(0.0).latency
    assert best(call * saved).calls == pytest.approx(boards * call * saved)
