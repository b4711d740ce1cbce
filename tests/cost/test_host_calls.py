# SPDX-License-Identifier: Apache-2.0
"""An inference of nothing is predicted to take what it was measured to."""

from __future__ import annotations

import numpy as np
import pytest

from flexpie_tvm.cost import load_cost, save_cost
from flexpie_tvm.cost.host_calls import BUSY, BUSY_ALONE, beyond_transfers
from flexpie_tvm.cost.records import Transfer

from .machine import NETWORK


@pytest.mark.parametrize("measured", [{1: 5e-2, 4: 8e-2}, {1: 1e-6, 4: 2e-6}, {1: 3e-4}])
def test_scatter_gather_and_calls_add_up_to_what_was_measured(learned, measured, tmp_path):
    """Also where scattering and gathering, timed apart, take longer than both in one message."""
    boards = len(NETWORK.bandwidth)
    assert boards == 4
    cost = beyond_transfers(learned, NETWORK, measured)
    save_cost(cost, tmp_path / "kept.cost")
    kept = load_cost(tmp_path / "kept.cost")
    for count, seconds in measured.items():
        sent = np.array([4] * count + [0] * (boards - count))
        both = [
            Transfer(kind, sent.reshape(shape), (sent > 0).astype(int).reshape(shape), NETWORK)
            for kind, shape in (("scatter", (1, -1)), ("gather", (-1, 1)))
        ]
        for model in (cost, kept):
            total = model.calls(count) + model.exchange(both).sum()
            busy = BUSY if count > 1 else BUSY_ALONE
            assert total == pytest.approx(1e3 * (seconds + busy), abs=1e-9)
    assert cost.calls(4) - cost.calls(3) == pytest.approx(cost.calls(3) - cost.calls(2))
    more = cost.calls(2) - cost.calls(1) - (cost.calls(3) - cost.calls(2))
    assert more == pytest.approx(1e3 * (BUSY - BUSY_ALONE))
    assert cost.figures.gflops == learned.figures.gflops
