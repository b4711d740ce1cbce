# SPDX-License-Identifier: Apache-2.0
"""How long boards that do not come back are waited for."""

import threading
import time

from flexpie_tvm.runtime.workers import Workers


def test_patience_is_for_each_board_that_is_still_out():
    """Three of four come back at once: the last one is waited for once, not four times."""
    never = threading.Event()
    workers = Workers(4)
    start = time.monotonic()
    results, failures, silent = workers.each(
        lambda rank: never.wait() if rank == 2 else rank, patience=2, per_board=True
    )
    waited = time.monotonic() - start
    never.set()
    workers.close()
    assert (results, failures, silent) == ([0, 1, None, 3], {}, {2})
    assert 2 <= waited < 4 * 2


def test_boards_that_are_not_asked_are_not_waited_for():
    """One of them is still busy with something else: its thread would not come back."""
    never, called = threading.Event(), []
    workers = Workers(3)
    busy = workers.begin(lambda rank: never.wait(), [1])
    found = workers.each(lambda rank: called.append(rank) or rank, patience=60, ranks=[0, 2])
    never.set()
    workers.finish(busy, patience=60)
    workers.close()
    assert found == ([0, None, 2], {}, set())
    assert sorted(called) == [0, 2]


def test_boards_that_come_back_one_by_one_are_not_given_up():
    """In all they take longer than one board's patience, because each waits for the one before."""
    workers = Workers(3)
    back = [threading.Event() for _ in range(3)]

    def work(rank):
        if rank:
            back[rank - 1].wait()
        time.sleep(0.8)
        back[rank].set()
        return rank

    results, failures, silent = workers.each(work, patience=2, per_board=True)
    workers.close()
    assert (results, failures, silent) == ([0, 1, 2], {}, set())


def test_a_failure_ends_the_wait():
    never = threading.Event()
    workers = Workers(3)

    def work(rank):
        if rank == 1:
            raise ValueError("broken")
        never.wait()

    _, failures, silent = workers.each(work, patience=60, grace=0.1, per_board=True)
    never.set()
    workers.close()
    assert list(failures) == [1]
    assert silent == {0, 2}


def test_a_board_that_goes_on_is_not_silent_when_another_one_is():
    workers, over, start = Workers(2), threading.Event(), time.monotonic()

    def work(rank):
        over.wait()
        return rank

    results, failures, silent = workers.each(
        work, patience=0.5, progress=lambda rank: start if rank else time.monotonic()
    )
    over.set()
    workers.close()
    assert (results, failures, silent) == ([None, None], {}, {1})


def test_boards_that_go_on_are_waited_for_however_long_it_takes():
    workers, moved = Workers(2), [time.monotonic()] * 2

    def work(rank):
        for _ in range(4):
            time.sleep(0.4)
            moved[rank] = time.monotonic()
        return rank

    found = workers.each(work, patience=1.2, progress=lambda rank: moved[rank])
    workers.close()
    assert found == ([0, 1], {}, set())


def test_half_of_patience_is_enough_where_there_is_no_hope():
    never, asked = threading.Event(), []
    workers = Workers(2)
    start = time.monotonic()
    found = workers.each(
        lambda rank: never.wait() if rank else rank,
        patience=4,
        hopeless=lambda ranks: asked.append(ranks) or True,
    )
    waited = time.monotonic() - start
    never.set()
    workers.close()
    assert found == ([0, None], {}, {1})
    assert asked == [{1}]
    assert 2 <= waited < 4


def test_boards_are_waited_for_on_while_there_is_hope():
    """This one comes back after the question, which is asked once."""
    come = threading.Event()
    workers = Workers(2)
    found = workers.each(
        lambda rank: come.wait() and rank if rank else rank,
        patience=1,
        hopeless=lambda ranks: come.set(),
    )
    workers.close()
    assert found == ([0, 1], {}, set())


def test_grace_ends_when_those_that_failed_tell_enough():
    """The grace is an hour: a board that nobody else explains would be waited for."""
    never, told = threading.Event(), []
    workers = Workers(3)

    def work(rank):
        if rank == 1:
            never.wait()
        raise ValueError(f"waited for 1 in vain, says {rank}")

    def explained(failures, out):
        told.append((set(failures), out))
        return len(failures) == 2

    _, failures, silent = workers.each(
        work, patience=60, grace=3600, per_board=True, explained=explained
    )
    never.set()
    workers.close()
    assert set(failures) == {0, 2}
    assert silent == {1}
    assert told[-1] == ({0, 2}, {1})
