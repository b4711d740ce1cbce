# SPDX-License-Identifier: Apache-2.0
"""Which of many failures is the cause."""

from __future__ import annotations

import tvm

from flexpie_tvm.errors import (
    BoardDamaged,
    BoardDesync,
    BoardError,
    BoardLost,
    BoardTimeout,
    LinkLost,
)
from flexpie_tvm.runtime.board_errors import board_error, root_cause


def report(kind: str, board: int, peer: int, exchange: int = 3) -> tvm.error.TVMError:
    facts = (
        f'{{"kind":"{kind}","board":{board},"peer":{peer},"exchange":{exchange},'
        '"tensor":"t","layer":"l"}'
    )
    return tvm.error.TVMError(f"trace\nInternalError: FLEXPIE_ERROR {facts} board {board} says so")


def test_the_runtime_s_reports_become_typed_errors():
    for kind, expected in [
        ("lost_board", BoardLost),
        ("unreached", LinkLost),
        ("deadline", BoardTimeout),
        ("desync", BoardDesync),
        ("damaged", BoardDamaged),
        ("io", BoardError),
    ]:
        error = board_error(1, report(kind, 1, 2))
        assert type(error) is expected
        assert (error.board, error.peer, error.exchange) == (1, 2, 3)
        assert str(error) == "board 1 says so"


def test_a_server_without_a_reason():
    error = board_error(1, tvm.error.TVMError("trace\nRPCError: Error caught from RPC call:"))
    assert type(error) is BoardError
    assert "its server gave no reason" in str(error)


def test_a_broken_session_is_the_cause_of_lost_peers():
    failures = {0: report("lost_board", 0, 1), 1: tvm.error.TVMError("Connection reset by peer")}
    cause = root_cause(failures, (), 9)
    assert isinstance(cause, BoardLost)
    assert cause.board == 1


def test_a_silent_board_that_others_wait_for_is_the_cause():
    failures = {0: report("deadline", 0, 1), 1: report("deadline", 1, 2)}
    cause = root_cause(failures, {2}, 9)
    assert isinstance(cause, BoardLost)
    assert cause.board == 2
    assert "board 1 says so" in str(cause)


def test_a_board_that_answers_is_slow_and_not_lost():
    cause = root_cause({0: report("deadline", 0, 2), 2: report("lost_board", 2, 0)}, (), 9)
    assert type(cause) is BoardTimeout
    assert (cause.board, cause.peer) == (0, 2)


def test_a_link_is_cut_if_the_host_reaches_both_its_boards():
    failures = {0: report("deadline", 0, 1), 2: report("unreached", 2, 1, exchange=5)}
    for silent in (set(), {1}):  # that its call is not back does not say that it is gone
        cause = root_cause(failures, silent, 9, unreached=set())
        assert type(cause) is LinkLost
        assert (cause.board, cause.peer, cause.exchange) == (2, 1, 5)
        assert "boards 2 and 1 do not reach each other" in str(cause)


def test_a_board_that_neither_another_nor_the_host_reaches_is_lost():
    cause = root_cause({0: report("unreached", 0, 1)}, {1}, 9, unreached={1})
    assert type(cause) is BoardLost
    assert cause.board == 1


def test_a_broken_session_comes_before_a_link_that_is_cut():
    failures = {0: report("unreached", 0, 1), 1: tvm.error.TVMError("Connection reset by peer")}
    cause = root_cause(failures, (), 9)
    assert type(cause) is BoardLost
    assert cause.board == 1


def test_a_board_s_own_failure_comes_before_its_peers_complaints():
    failures = {0: report("lost_board", 0, 1), 1: report("io", 1, -1)}
    assert root_cause(failures, (), 9).board == 1


def test_errors_of_our_own_are_not_blamed_on_boards():
    ours = KeyError("bug")
    assert root_cause({0: report("lost_board", 0, 1), 1: ours}, (), 9) is ours


def test_a_silent_board_that_nobody_names_is_behind_the_complaints():
    """0 gave up on 1 first, and 1, which waited for 2, saw its link to 0 close."""
    failures = {0: report("deadline", 0, 1), 1: report("lost_board", 1, 0)}
    cause = root_cause(failures, {2}, 9)
    assert isinstance(cause, BoardLost)
    assert cause.board == 2
    failures[1] = report("desync", 1, 0)
    assert isinstance(root_cause(failures, {2}, 9), BoardDesync)


def test_only_silence():
    cause = root_cause({}, {1, 3}, 9)
    assert isinstance(cause, BoardLost)
    assert "board 1" in str(cause)


def test_a_board_that_is_late_complains_later_than_those_that_waited_for_it():
    failures = {1: report("deadline", 1, 0), 0: report("deadline", 0, 1)}
    cause = root_cause(failures, (), 9)
    assert (cause.board, cause.peer) == (1, 0)


def test_waiting_in_vain_comes_before_links_that_close():
    failures = {0: report("lost_board", 0, 1), 1: report("deadline", 1, 2)}
    assert root_cause(failures, (), 9).peer == 2


def test_who_waits_at_an_earlier_exchange_is_nearer_to_the_culprit():
    failures = {0: report("deadline", 0, 1, exchange=4), 1: report("deadline", 1, 2, exchange=3)}
    assert root_cause(failures, (), 9).peer == 2
