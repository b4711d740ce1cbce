# SPDX-License-Identifier: Apache-2.0
"""Whom the host blames, by what boards report and by which of them it reaches."""

from __future__ import annotations

import socket
from types import SimpleNamespace

from flexpie_tvm.errors import BoardLost, LinkLost
from flexpie_tvm.runtime.blame import blamed

#: Nobody has an address of these: they are for pages of documentation.
NOWHERE = ("no.such.board.invalid", 1)


def board(place: tuple[str, int]) -> SimpleNamespace:
    """What is asked of a board's runner."""
    return SimpleNamespace(session=SimpleNamespace(address=place[0]), port=place[1])


def test_a_board_that_came_back_before_the_hosts_link_was_cut_hides_nothing():
    runners = [board(NOWHERE) for _ in range(3)]
    cause = blamed(runners, {}, {1, 2}, 3.0)
    assert isinstance(cause, LinkLost)
    assert (cause.board, cause.peer) == (0, None)


def test_one_board_out_of_reach_is_the_one_that_is_lost():
    with socket.create_server(("127.0.0.1", 0)) as here:
        runners = [board(here.getsockname()), board(NOWHERE), board(here.getsockname())]
        cause = blamed(runners, {}, {1}, 3.0)
        assert isinstance(cause, BoardLost)
        assert cause.board == 1


def test_boards_that_are_silent_and_reached_do_not_make_it_the_hosts_link():
    with socket.create_server(("127.0.0.1", 0)) as here:
        runners = [board(here.getsockname()), board(NOWHERE)]
        cause = blamed(runners, {}, {0, 1}, 3.0)
        assert not isinstance(cause, LinkLost)
        assert cause.board == 1
