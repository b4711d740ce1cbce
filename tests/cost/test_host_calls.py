# SPDX-License-Identifier: Apache-2.0
"""Inferences that were timed are predicted to take what they took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from flexpie_tvm.cost import load_cost, save_cost
from flexpie_tvm.cost.host_calls import HOST_CALL, TimedInference, beyond_transfers
from flexpie_tvm.cost.records import Transfer

from .machine import NETWORK


def moved(count: int) -> tuple[Transfer, ...]:
    """Something to and from the first boards of a network."""
    sent = np.array([64] * count + [0] * (len(NETWORK.bandwidth) - count))
    return tuple(
        Transfer(kind, sent.reshape(shape), (sent > 0).astype(int).reshape(shape), NETWORK)
        for kind, shape in (("scatter", (1, -1)), ("gather", (-1, 1)))
    )


@pytest.mark.parametrize(
    "outside",
    [{1: 0.3, 2: 0.5, 4: 1.1}, {1: 1e-3, 2: 9e-4, 4: 2e-3}, {1: 0.3, 2: 0.35}, {1: 0.3}],
    ids=str,
)
def test_scatter_gather_and_calls_add_up_to_what_was_timed(
    learned, outside: Mapping[int, float], tmp_path
):
    """Also where scattering and gathering, timed apart, take longer than both in one message."""
    cost = beyond_transfers(learned, [TimedInference(n, ms, moved(n)) for n, ms in outside.items()])
    save_cost(cost, tmp_path / "kept.cost")
    for model in (cost, load_cost(tmp_path / "kept.cost")):
        for count, ms in outside.items():
            said = model.calls(count) + model.exchange(moved(count)).sum()
            assert said == pytest.approx(ms, abs=1e-9)
    assert cost.figures.gflops == learned.figures.gflops


def test_each_board_beyond_two_takes_a_like_part_of_what_all_take_more(learned):
    timed = [TimedInference(n, ms, moved(n)) for n, ms in {1: 0.3, 2: 0.9, 4: 1.5}.items()]
    cost = beyond_transfers(learned, timed)
    two, four = (learned.exchange(moved(n)).sum() for n in (2, 4))
    assert cost.calls(3) - cost.calls(2) == pytest.approx((1.5 - four - 0.9 + two) / 2)


@pytest.mark.parametrize("outside", [{1: 0.3, 2: 0.9}, {1: 0.3}])
def test_boards_more_than_were_timed_are_called_as_modelled(learned, outside):
    timed = [TimedInference(n, ms, moved(n)) for n, ms in outside.items()]
    cost, most = beyond_transfers(learned, timed), max(outside)
    assert cost.calls(most + 1) - cost.calls(most) == pytest.approx(1e3 * HOST_CALL)
    assert cost.calls(most + 3) - cost.calls(most) == pytest.approx(3e3 * HOST_CALL)
