# SPDX-License-Identifier: Apache-2.0
"""A few faults of each kind; ``make faults`` tries as many as you like."""

from __future__ import annotations

import os

import numpy as np
import pytest

from flexpie_tvm.errors import BoardLost, BoardTimeout, LinkLost
from flexpie_tvm.testing.faults import PATIENCE, Fault, board_services, try_fault

from . import fault as everywhere
from .table import Row, table

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
    faults = [everywhere.draw(rng, 4, DEADLINE) for _ in range(1000)]
    assert len({(fault.kind, fault.moment) for fault in faults}) == 40
    assert {fault.boards for fault in faults} == {2, 3, 4}
    assert all(fault.victim != fault.other < fault.boards for fault in faults)


def fault_of(kind: str) -> everywhere.Fault:
    return everywhere.Fault(kind, "idle", 3, victim=1, other=2, at=0.5, seconds=1.0)


def test_whom_an_error_may_name():
    link, cable, host = map(fault_of, ("link down", "cable down", "host cable down"))
    assert everywhere.is_named(link, LinkLost("cut", 2, 1))
    assert not everywhere.is_named(link, LinkLost("cut", 0, 1))
    assert everywhere.is_named(cable, BoardLost("gone", 1))
    assert everywhere.is_named(cable, LinkLost("cut", 0, 1))
    assert not everywhere.is_named(cable, BoardTimeout("slow", 1, 0))
    assert everywhere.is_named(host, LinkLost("none", 0))
    assert not everywhere.is_named(host, BoardLost("gone", 0))
    assert not everywhere.is_named(cable, KeyError("ours"))


def test_the_table_counts_what_must_not_be():
    good = everywhere.Outcome("", "", True, 0, 5, False, 1.0, 0.1, 0.2)
    bad = everywhere.Outcome("gone", "BoardLost", False, 2, 3, True, 7.0, 2.0, 11.0)
    text = table([Row(fault_of("freeze"), o, "raise") for o in (good, bad)], DEADLINE)
    assert "| raise, freeze | 2 | 8 | 1 | 2 | 1 | 1 | 1 | 1 | 1 | 7.0 |" in text
