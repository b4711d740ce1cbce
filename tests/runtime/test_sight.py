# SPDX-License-Identifier: Apache-2.0
"""What the host sees while it waits: a link of its own that is down is no board's fault."""

from __future__ import annotations

import socket

import pytest

from flexpie_tvm.errors import BoardTimeout, LinkLost
from flexpie_tvm.runtime.blame import blamed
from flexpie_tvm.runtime.sight import AFTER_LOOK, LEAST_SECONDS, Sight

from .test_blame import NOWHERE, board

TIMED_OUT = {0: TimeoutError("timed out")}


@pytest.fixture
def here():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waiting_ends_once_none_was_reached_for_a_while():
    clock = Clock()
    sight = Sight([board(NOWHERE), board(NOWHERE)], clock=clock)
    assert not sight.explained(TIMED_OUT, {1})
    assert sight.own_link_down
    clock.now += 1.1 * AFTER_LOOK
    assert sight.explained(TIMED_OUT, {1})


def test_waiting_goes_on_while_another_board_is_reached(here):
    clock = Clock()
    sight = Sight([board(NOWHERE), board(here)], clock=clock)
    assert not sight.explained(TIMED_OUT, {1})
    clock.now += 10 * AFTER_LOOK
    assert not sight.explained(TIMED_OUT, {1})
    assert not sight.own_link_down


def test_what_a_board_says_of_another_makes_nobody_look():
    late = BoardTimeout("board 1 was late", 0, 1)
    assert not Sight([board(NOWHERE), board(NOWHERE)]).explained({0: late}, {1})
    hurried = Sight([board(NOWHERE), board(NOWHERE)], in_haste=True)
    assert hurried.explained({0: late}, {1})
    assert not hurried.own_link_down


@pytest.mark.parametrize(("out", "hopeless"), [({0}, True), ({1}, False)])
def test_there_is_no_hope_for_who_is_out_of_reach(out, hopeless, here):
    sight = Sight([board(NOWHERE), board(here)])
    assert sight.hopeless(out) == hopeless


def test_a_link_that_is_back_by_the_time_of_the_blame_was_down(here):
    runners = [board(NOWHERE), board(NOWHERE)]
    sight = Sight(runners)
    assert sight.hopeless({0, 1})
    back = [board(here), board(here)]
    found = blamed(back, {}, {0, 1}, 3.0, sight.own_link_down)
    assert isinstance(found, LinkLost)
    assert found.peer is None
    assert not isinstance(blamed(back, {}, {0, 1}, 3.0), LinkLost)


def test_a_single_board_out_of_reach_is_the_one_that_is_lost():
    sight = Sight([board(NOWHERE)])
    assert sight.hopeless({0})
    assert not sight.own_link_down


def test_time_runs_while_boards_are_waited_for():
    clock = Clock()
    sight = Sight([board(NOWHERE)], clock=clock)
    clock.now += 3
    assert sight.time_left(4.5) == 1.5
    clock.now += 3
    assert sight.time_left(4.5) == LEAST_SECONDS
