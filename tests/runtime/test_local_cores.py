# SPDX-License-Identifier: Apache-2.0
"""Local boards have cores of their own where there are enough."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from flexpie_tvm.runtime import local_boards
from flexpie_tvm.runtime.local import cores_of

needs_two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one core is all there is to share"
)


@pytest.mark.parametrize(
    ("boards", "threads", "allowed", "cores"),
    [
        (2, 1, [0, 1], [(0,), (1,)]),
        (2, 1, [5, 2, 3, 9, 7], [(2, 3), (5, 7)]),
        (2, 2, [0, 1, 2, 3], [(0, 1), (2, 3)]),
        (2, 2, [0, 1, 2], [(), ()]),
        (4, 1, [0, 1], [(0,), (1,), (0,), (1,)]),
        (3, 1, [0, 1], [(0,), (1,), (0,)]),
        (3, 2, [0, 1, 2, 3, 4], [(0, 1), (2, 3), (0, 1)]),
        (3, 1, [7], [()] * 3),
        (1, 1, [0, 1, 2], [()]),
    ],
)
def test_cores_are_shared_out_where_there_are_enough(boards, threads, allowed, cores):
    assert cores_of(boards, threads, allowed) == cores


def servers(group: int) -> list[int]:
    """Processes of a group, without the one that leads it."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(ProcessLookupError):  # ended meanwhile
            if pid != group and os.getpgid(pid) == group:
                found.append(pid)
    return found


def placed(pids: tuple[int, ...]) -> list[tuple[frozenset[int], int]]:
    """Cores and policy of each board's processes."""
    found = []
    for own in map(servers, pids):
        (one,) = {(frozenset(os.sched_getaffinity(p)), os.sched_getscheduler(p)) for p in own}
        found.append(one)
    return found


@needs_two_cores
def test_two_boards_never_meet_on_a_core():
    with local_boards(2) as boards:
        (first, policy), (second, other) = placed(boards.pids)
    assert first
    assert second
    assert not first & second
    assert policy == other == os.SCHED_BATCH  # the host is not interrupted by the first to compute


@needs_two_cores
def test_the_first_ranks_share_no_core_where_there_are_too_few():
    cores = len(os.sched_getaffinity(0))
    with local_boards(cores + 1) as boards:
        found = placed(boards.pids)
        commands = [Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in boards.pids]
    ports = [int(words[words.index("--port") + 1]) for words in commands]
    assert ports == sorted(ports)  # by which boards are ranked
    assert len({own for own, _ in found[:cores]}) == cores
    assert found[cores][0] == found[0][0]
    assert found[cores][1] == found[0][1] == os.sched_getscheduler(0)
    assert {policy for _, policy in found[1:cores]} == {os.SCHED_BATCH}
