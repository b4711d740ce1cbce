# SPDX-License-Identifier: Apache-2.0
"""Which boards answer, and that nobody gives up all of them because they are busy."""

from __future__ import annotations

import threading

import pytest

from flexpie_tvm.runtime.roll_call import lost_boards


class Board:
    """A session whose board fails to answer some times; it counts how often it was asked."""

    def __init__(self, failures: int):
        self.in_use, self.remote = threading.Lock(), self
        self.failures, self.asked = failures, 0

    def get_function(self, _: str):
        def answer(_: str) -> str:
            self.asked += 1
            if self.asked <= self.failures:
                raise ConnectionError("it does not answer")
            return ""

        return answer


@pytest.mark.parametrize(
    ("failures", "again", "lost", "asked"),
    [
        ([0, 0], True, set(), [1, 1]),
        ([0, 9], True, {1}, [1, 1]),  # another one answered: this one is lost
        ([1, 1, 9], True, {2}, [2, 2, 2]),
        ([1, 1], False, {0, 1}, [1, 1]),
        ([9, 9], True, {0, 1}, [2, 2]),
        ([1], True, {0}, [1]),  # nothing to compare it with
    ],
)
def test_boards_of_which_none_answers_are_asked_again(failures, again, lost, asked):
    boards = [Board(n) for n in failures]
    assert lost_boards(boards, 60.0, again) == lost
    assert [board.asked for board in boards] == asked
