# SPDX-License-Identifier: Apache-2.0
"""A few faults of each kind; ``benchmarks/faults.py`` tries as many as you like."""

from __future__ import annotations

import os

import numpy as np
import pytest

from flexpie_tvm.testing.faults import PATIENCE, Fault, board_services, draw, try_fault

DEADLINE = 2.0


@pytest.fixture(scope="module")
def services(boards):
    key = f"faults-{os.getpid()}"
    with board_services(boards, key, 3, 22000) as processes:
        yield boards, key, processes


@pytest.mark.parametrize(
    "fault",
    [
        Fault("kill session", "run", 0, 0.01, 0),
        Fault("kill session", "deploy", 1, 0.1, 0),
        Fault("kill server", "idle", 2, 0, 0),
        Fault("freeze", "run", 1, 0.01, 0),
        Fault("freeze and thaw", "idle", 2, 0, 1.5 * DEADLINE),
        Fault("freeze and thaw", "run", 0, 0.01, 0.5 * DEADLINE),
    ],
    ids=lambda fault: f"{fault.kind}, {fault.moment}",
)
def test_every_answer_is_right_or_the_right_board_is_named(
    fault, services, artifacts, small_inputs, small_answer
):
    boards, key, processes = services
    outcome = try_fault(
        fault, artifacts(3, "InH"), small_inputs, [small_answer], boards, key, processes, DEADLINE
    )
    assert outcome.wrong == 0
    assert not outcome.raw, outcome.error
    assert outcome.named, outcome.error
    assert bool(outcome.error) == (fault.kind != "freeze and thaw" or fault.frozen > DEADLINE)
    assert outcome.registered < PATIENCE


def test_random_faults_are_of_all_kinds():
    rng = np.random.default_rng(3)
    faults = [draw(rng, 3, DEADLINE) for _ in range(500)]
    assert len({(fault.kind, fault.moment, fault.victim) for fault in faults}) == 36
