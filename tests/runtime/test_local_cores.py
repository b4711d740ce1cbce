# SPDX-License-Identifier: Apache-2.0
"""Local boards have cores of their own where there are enough."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from flexpie_tvm.runtime import local_boards
from flexpie_tvm.runtime.local import own_cores


@pytest.mark.parametrize(
    ("boards", "threads", "allowed", "cores"),
    [
        (2, 1, [0, 1], [(0,), (1,)]),
        (2, 1, [5, 2, 3, 9, 7], [(2, 3), (5, 7)]),
        (2, 2, [0, 1, 2, 3], [(0, 1), (2, 3)]),
        (2, 2, [0, 1, 2], [(), ()]),
        (4, 1, [0, 1], [()] * 4),
        (1, 1, [0, 1, 2], [()]),
    ],
)
def test_cores_are_shared_out_where_there_are_enough(boards, threads, allowed, cores):
    assert own_cores(boards, threads, allowed) == cores


def servers(group: int) -> list[int]:
    """Processes of a group, without the one that leads it."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(ProcessLookupError):  # ended meanwhile
            if pid != group and os.getpgid(pid) == group:
                found.append(pid)
    return found


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is all there is to share")
def test_two_boards_never_meet_on_a_core():
    with local_boards(2) as boards:
        processes = [servers(group) for group in boards.pids]
        found = [{frozenset(os.sched_getaffinity(p)) for p in own} for own in processes]
        policies = {os.sched_getscheduler(p) for own in processes for p in own}
    assert policies == {os.SCHED_BATCH}  # the host is not interrupted by the first to compute
    (first,), (second,) = found
    assert first
    assert second
    assert not first & second
