# SPDX-License-Identifier: Apache-2.0
"""What inferences take beside their boards' computing, on real boards."""

from __future__ import annotations

import time

import pytest

from flexpie_tvm.lab.profiler import calls, time_calls
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.runtime import Deployment


def test_one_board_and_two_are_timed(two_boards, target, monkeypatch):
    ran = []

    class Watched(Deployment):
        """Keeps how long each inference took, on how many boards, and what these exchanged."""

        def run(self, inputs):
            start = time.perf_counter()
            answer = super().run(inputs)
            ran.append((len(self.sessions), 1e3 * (time.perf_counter() - start)))
            assert not any(board["exchanges"] for board in self.stats())
            return answer

    monkeypatch.setattr(calls, "Deployment", Watched)
    found = time_calls(two_boards.sessions, ClusterSpec(2), target)
    assert [one.boards for one in found] == [1, 2]
    for one in found:
        longest = max(ms for boards, ms in ran if boards == one.boards)
        assert 0 < one.outside < longest
        assert [move.kind for move in one.moved] == ["scatter", "gather"]
        for move in one.moved:
            each = move.nbytes.ravel()
            assert each.tolist() == [each.sum() / one.boards] * one.boards
            assert each.sum() == 4 * calls.ROWS * calls.WIDTH


def test_boards_that_share_a_core_compute_in_turns():
    computed = (1.0, 0.5)
    assert calls.beside_computing(2.5, computed, ClusterSpec(2)) == pytest.approx(1.5)
    assert calls.beside_computing(2.5, computed, ClusterSpec(2, at_once=1)) == pytest.approx(1.0)
