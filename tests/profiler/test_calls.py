# SPDX-License-Identifier: Apache-2.0
"""What inferences take beside their boards' computing, on real boards."""

from __future__ import annotations

import time

import numpy as np
import pytest

from flexpie_tvm.lab.profiler import calls, time_calls
from flexpie_tvm.plan import ClusterSpec
from flexpie_tvm.runtime import Deployment


def test_one_board_and_two_are_timed(two_boards, target, monkeypatch):
    """Among boards of a cluster file, which names their target."""
    ran, counted = [], []

    class Watched(Deployment):
        """Keeps how long each inference took, and what boards counted."""

        def run(self, inputs):
            start = time.perf_counter()
            answer = super().run(inputs)
            ran.append((len(self.sessions), 1e3 * (time.perf_counter() - start)))
            return answer

        def stats(self):
            found = super().stats()
            counted.append((len(found), max(b["run_ns"] / b["frames"] for b in found) / 1e6))
            assert not any(board["exchanges"] for board in found)
            return found

    monkeypatch.setattr(calls, "Deployment", Watched)
    found = time_calls(two_boards.sessions, ClusterSpec(2, targets=(target,) * 2), target, 0.0)
    assert [one.boards for one in found] == [1, 2]
    for one in found:
        took = np.median([ms for boards, ms in ran if boards == one.boards])
        computed = np.median([ms for boards, ms in counted if boards == one.boards])
        assert 0 < one.outside < took - 0.5 * computed
        assert len([boards for boards, _ in counted if boards == one.boards]) == calls.ROUNDS
        assert [move.kind for move in one.moved] == ["scatter", "gather"]
        for move in one.moved:  # as in a plan for both that leaves one out
            share = 4 * calls.ROWS * calls.WIDTH // one.boards
            idle = 2 - one.boards
            assert move.nbytes.ravel().tolist() == [share] * one.boards + [0] * idle
            assert len(move.links.bandwidth) == 2


def rounds(took, mean_spans, last_spans):
    return calls.Rounds(*map(np.array, (took, mean_spans, last_spans)))


def test_what_the_slowest_board_computes_is_subtracted():
    passes = [
        rounds([3.0, 9.0], [[1.0, 0.5], [1.0, 0.5]], [[7.0, 7.0]] * 2),
        rounds([3.2, 3.4], [[0.5, 1.0], [1.0, 0.5]], [[7.0, 7.0]] * 2),
    ]
    assert calls.outside(passes, ClusterSpec(2)) == pytest.approx(np.median([2, 8, 2.2, 2.4]))


def test_boards_that_share_a_core_compute_in_turns():
    """A count that has another's turn in it is not added to that."""
    interrupted = [[1.5, 1.5], [1.0, 0.5], [1.0, 0.5], [1.0, 0.5], [1.5, 0.5]]
    found = [rounds([2.5] * 5, [[1.5, 1.5]] * 5, interrupted)]
    assert calls.outside(found, ClusterSpec(2, at_once=1)) == pytest.approx(1.0)
    assert calls.outside(found, ClusterSpec(2)) == pytest.approx(1.0)
    assert calls.outside(found, ClusterSpec(2, at_once=2)) == pytest.approx(1.0)
