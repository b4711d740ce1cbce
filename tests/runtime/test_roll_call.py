# SPDX-License-Identifier: Apache-2.0
"""Which boards answer, and that nobody gives up all of them because they are busy."""

from __future__ import annotations

import socket
import threading

import pytest

from flexpie_tvm.runtime.roll_call import architectures, lost_boards


class Board:
    """A session whose board fails to answer some times; it counts how often it was asked."""

    def __init__(self, failures: int, place: tuple[str, int] = ("no.such.board.invalid", 1)):
        self.in_use, self.remote = threading.Lock(), self
        self.address, self.port = place
        self.failures, self.asked = failures, 0

    def get_function(self, _: str):
        def answer(_: str) -> str:
            self.asked += 1
            if self.asked <= self.failures:
                raise ConnectionError("it does not answer")
            return ""

        return answer

    def arch(self, archs: list[str]) -> str:
        return archs[0]


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


def test_what_boards_answer_before_the_hosts_link_is_cut_is_not_believed():
    boards = [Board(0), Board(9)]
    assert architectures(boards, ["x86_64"], 60.0, 60.0) == ([], boards)


def test_a_board_that_does_not_answer_while_others_are_reached():
    with socket.create_server(("127.0.0.1", 0)) as here:
        boards = [Board(0, here.getsockname()), Board(9)]
        found = architectures(boards, ["x86_64"], 60.0, 60.0)
    assert found == ([(boards[0], "x86_64")], [boards[1]])
