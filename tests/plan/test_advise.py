# SPDX-License-Identifier: Apache-2.0
"""How many boards are worth it."""

from __future__ import annotations

import pytest
from plan_graphs import chain

from flexpie_tvm.cost import Table
from flexpie_tvm.machine import known_board
from flexpie_tvm.plan import baseline_plan
from flexpie_tvm.plan.search import advise as advise_module
from flexpie_tvm.plan.search.advise import Advised, Curve, advise, curves, links_of


def curve(*latencies: float) -> Curve:
    return Curve(
        tuple(
            Advised("pi4", n, n, 1.0, ms, 1e3 / ms, 1e3 / ms, "made up")
            for n, ms in enumerate(latencies, 1)
        )
    )


@pytest.mark.parametrize(
    ("latencies", "enough"),
    [
        ((10.0,), 1),
        ((10.0, 5.0, 4.0, 3.9), 3),
        ((10.0, 9.9, 9.8, 9.7), 1),
        ((10.0, 10.0, 10.0, 5.0), 4),  # a grid of two by two is worth waiting for
        ((10.0, 8.0, 8.0, 7.6), 2),  # 5 % by two boards
    ],
)
def test_boards_pay_that_gain_five_percent_each(latencies, enough):
    found = curve(*latencies)
    assert found.enough == enough
    assert found.best.latency_ms == latencies[enough - 1]


def test_a_board_has_no_faster_link_than_its_own():
    assert links_of(known_board("pi3b+"), [0.1, 0.5, 1.0]) == [0.1, 0.3]
    assert links_of(known_board("orangepi5plus"), [2.5, 1.0]) == [1.0, 2.5]


def test_more_boards_and_faster_links_are_never_slower():
    """Layers cost their operations, and bytes what the links say."""
    cost = Table(
        lambda tile: tile.flops / 1e6,
        lambda transfer: float(transfer.nbytes.sum()) * 8e3 / transfer.links.bandwidth[0],
    )
    points = list(advise(chain(), known_board("pi4"), [0.1, 1.0], 3, cost))
    assert [(p.gbps, p.boards) for p in points] == [(g, n) for g in (0.1, 1.0) for n in (1, 2, 3)]
    slow, fast = curves(points)
    for one in (slow, fast):
        times = [p.latency_ms for p in one.points]
        assert times == sorted(times, reverse=True)
        assert all(1 <= p.used <= p.boards for p in one.points)
        assert all(p.frames == pytest.approx(1e3 / p.latency_ms) for p in one.points)
        assert all(p.streamed >= 0.999 * p.frames for p in one.points)
    for a, b in zip(slow.points, fast.points, strict=True):
        assert b.latency_ms <= a.latency_ms


def test_a_board_more_may_be_left_idle(monkeypatch):
    """Where two boards are slower than one, advice for two is to use one of them."""
    cost = Table(lambda tile: 1.0, lambda transfer: 5.0 * len(transfer.nbytes[0]))
    one, two = advise(chain(), known_board("pi4"), [1.0], 2, cost)
    monkeypatch.setattr(advise_module, "best_plan", lambda *given: baseline_plan("InH", *given))
    alone, both = advise(chain(), known_board("pi4"), [1.0], 2, cost)
    assert both.latency_ms == alone.latency_ms == one.latency_ms == two.latency_ms
    assert (both.boards, both.used) == (2, 1)
