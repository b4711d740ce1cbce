# SPDX-License-Identifier: Apache-2.0
"""Whom the host blames, by what boards report and by which of them it reaches."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from flexpie_tvm.errors import BoardLost, LinkLost
from flexpie_tvm.runtime.blame import blamed
from flexpie_tvm.runtime.tracker import board_archs

#: Nobody has an address of these: they are for pages of documentation.
NOWHERE = ("no.such.board.invalid", 1)


def board(place: tuple[str, int], port: int | None = None) -> SimpleNamespace:
    """What is asked of a board's runner; it has a port of its own once it is being set up."""
    return SimpleNamespace(session=SimpleNamespace(address=place[0], port=place[1]), port=port)


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


def asked(place: tuple[str, int], answers: bool) -> SimpleNamespace:
    """A session that is asked what its board is."""

    def arch(_: object) -> str:
        if not answers:
            raise ConnectionError("timed out")
        return "x86_64"

    return SimpleNamespace(address=place[0], port=place[1], arch=arch)


def test_boards_of_which_none_is_reached_as_they_are_asked_what_they_are():
    """One of them may have answered before the host's link was cut."""
    sessions = [asked(NOWHERE, True), asked(NOWHERE, False), asked(NOWHERE, False)]
    with pytest.raises(LinkLost, match="the host reaches none of its 3 boards") as found:
        board_archs(sessions, ["x86_64"], 2.0)
    assert found.value.peer is None


def test_a_board_that_does_not_say_what_it_is_while_others_are_reached():
    with socket.create_server(("127.0.0.1", 0)) as here:
        sessions = [asked(here.getsockname(), True), asked(NOWHERE, False)]
        with pytest.raises(BoardLost, match=r"board 1 .* does not answer: timed out") as found:
            board_archs(sessions, ["x86_64"], 2.0)
        assert found.value.board == 1
        alone = [asked(NOWHERE, False)]  # of one board, nobody can tell
        with pytest.raises(BoardLost, match="board 0 "):
            board_archs(alone, ["x86_64"], 2.0)
        assert board_archs(sessions[:1], ["x86_64"], 2.0) == ["x86_64"]


def test_of_boards_that_are_being_set_up_the_one_out_of_reach_is_lost():
    with socket.create_server(("127.0.0.1", 0)) as here:
        runners = [board(here.getsockname()), board(here.getsockname(), 1), board(NOWHERE)]
        assert blamed(runners, {}, {0, 1, 2}, 3.0).board == 2
