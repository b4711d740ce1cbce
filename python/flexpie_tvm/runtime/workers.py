# SPDX-License-Identifier: Apache-2.0
"""One daemon thread per board, so that a board that never answers cannot keep us alive."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, wait
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue

#: Between two looks at what is told while grace lasts.
POLL_SECONDS = 0.25
#: Whether the failures of some boards, by rank, tell why others are out.
Explained = Callable[[Mapping[int, BaseException], set[int]], bool]


def never(failures: Mapping[int, BaseException], out: set[int]) -> bool:
    """Failures of some boards tell nothing about others."""
    return False


class _Timed(Future):
    """A future that knows when it was done."""

    done_at = float("inf")

    def set_exception(self, exception: BaseException | None) -> None:
        self.done_at = time.monotonic()
        super().set_exception(exception)


class Workers:
    """Do the same on all boards at once.

    A thread pool of the standard library is joined when Python exits: one call that hangs in
    the network would hang the program.

    Parameters
    ----------
    boards : int
        How many.
    guards : sequence of context managers, optional
        One per board, entered around all work for it: `Session.in_use`.
    """

    def __init__(self, boards: int, guards: Sequence[AbstractContextManager] | None = None):
        self._queues = [SimpleQueue() for _ in range(boards)]
        self._handing_out = threading.Lock()
        for rank, queue in enumerate(self._queues):
            name, guard = f"flexpie-board-{rank}", guards[rank] if guards else nullcontext()
            threading.Thread(target=_serve, args=(queue, guard), name=name, daemon=True).start()

    def each(
        self,
        work: Callable[[int], object],
        patience: float,
        grace: float = 2.0,
        per_board: bool = False,
        hopeless: Callable[[set[int]], bool] = lambda _: False,
        progress: Callable[[int], float] | None = None,
        explained: Explained = never,
        ranks: Collection[int] | None = None,
    ) -> tuple[list, Mapping[int, BaseException], set[int]]:
        """Run ``work(rank)`` on all boards, or on some.

        Parameters
        ----------
        work : callable
            What to do.
        patience : float
            Seconds to wait for all; with ``per_board`` for each board that is still out,
            counted from the last one that came back. Boards may wait for each other, one
            after the other, but never for one that is back.
        grace : float
            Seconds to wait for the others once one has failed.
        hopeless : callable
            Told the ranks that are still out, whether there is no sense in waiting for the others:
            once half of ``patience`` has passed; with ``per_board`` each time it has passed and
            none came back. It is not asked with ``progress``.
        progress : callable, optional
            With it each board has ``patience`` from the moment that this tells for its rank, by
            the clock of `time.monotonic`; only boards that are over it count as silent.
        explained : callable
            Told the failures of those that are back, and who is out, several times a second while
            grace lasts: whether they tell enough for it to end.
        ranks : collection of int, optional
            The boards that do it, by default all. Nobody wakes the threads of the others.

        Returns
        -------
        results : list
            One per board, None where there is none.
        failures : dict
            Rank -> exception, in the order in which they came.
        silent : set of int
            Ranks that did not come back in time.
        """
        futures = self.begin(work, ranks)
        return self.finish(futures, patience, grace, per_board, hopeless, progress, explained)

    def begin(
        self, work: Callable[[int], object], ranks: Collection[int] | None = None
    ) -> list[Future]:
        """Have ``work(rank)`` run on all boards, or on some; `finish` waits for it."""
        futures = [_Timed() for _ in self._queues]
        with self._handing_out:  # callers on several threads get the boards in one order
            for rank, (queue, future) in enumerate(zip(self._queues, futures, strict=True)):
                if ranks is None or rank in ranks:
                    queue.put((work, rank, future))
                else:
                    future.set_result(None)
        return futures

    def finish(
        self,
        futures: list[Future],
        patience: float,
        grace: float = 2.0,
        per_board: bool = False,
        hopeless: Callable[[set[int]], bool] = lambda _: False,
        progress: Callable[[int], float] | None = None,
        explained: Explained = never,
    ) -> tuple[list, Mapping[int, BaseException], set[int]]:
        """Wait for what was begun; as for `each`."""
        late = set(range(len(futures)))
        if progress is not None:
            late = _wait_for_progress(futures, patience, progress)
        elif per_board:
            _wait_for_each(futures, patience, hopeless)
        else:
            _wait_for_all(futures, patience, hopeless)
        if any(map(_failed, futures)):
            _wait_for_others(futures, grace, explained)
        failed = sorted((f.done_at, k) for k, f in enumerate(futures) if _failed(f))
        failures = {k: futures[k].exception() for _, k in failed}
        silent = {k for k, f in enumerate(futures) if not f.done() and k in late}
        results = [
            f.result() if f.done() and k not in failures else None for k, f in enumerate(futures)
        ]
        return results, failures, silent

    def close(self) -> None:
        """Let the threads end (those that hang end with the program)."""
        for queue in self._queues:
            queue.put(None)


def _wait_for_all(
    futures: list[Future], patience: float, hopeless: Callable[[set[int]], bool]
) -> None:
    """Wait until all are back, one fails, or patience is over."""
    until = time.monotonic() + patience
    done, out = wait(futures, timeout=patience / 2, return_when=FIRST_EXCEPTION)
    if not out or any(map(_failed, done)):
        return
    if not hopeless({k for k, future in enumerate(futures) if future in out}):
        left = max(0.0, until - time.monotonic())
        wait(futures, timeout=left, return_when=FIRST_EXCEPTION)


def _wait_for_each(
    futures: list[Future], patience: float, hopeless: Callable[[set[int]], bool]
) -> None:
    """Wait until all are back, one fails, or patience for those that are out is over."""
    done, out, spent = set(), set(futures), 0
    while out and spent < len(out) and not any(map(_failed, done)):
        done, out = wait(out, timeout=patience, return_when=FIRST_COMPLETED)
        spent = 0 if done else spent + 1
        if not done and hopeless({k for k, future in enumerate(futures) if future in out}):
            return


def _wait_for_progress(
    futures: list[Future], patience: float, progress: Callable[[int], float]
) -> set[int]:
    """Wait until all are back, one fails, or some made no progress for too long: their ranks."""
    while True:
        now = time.monotonic()
        left = {k: progress(k) + patience - now for k, f in enumerate(futures) if not f.done()}
        late = {k for k, seconds in left.items() if seconds <= 0}
        if late or not left or any(map(_failed, futures)):
            return late
        out = [futures[k] for k in left]
        wait(out, timeout=min(left.values()), return_when=FIRST_COMPLETED)


def _wait_for_others(futures: list[Future], grace: float, explained: Explained) -> None:
    """Give those that are out some seconds, unless those that are back tell enough."""
    until = time.monotonic() + grace
    while out := [future for future in futures if not future.done()]:
        failures = {k: f.exception() for k, f in enumerate(futures) if _failed(f)}
        left = until - time.monotonic()
        if left <= 0 or explained(failures, {k for k, f in enumerate(futures) if f in out}):
            return
        wait(out, timeout=min(left, POLL_SECONDS), return_when=FIRST_COMPLETED)


def forget_locals(error: BaseException | None) -> None:
    """Let go of what an error's frames hold, such as remote functions of a board that is lost.

    Who keeps the error would keep the board's session, of which TVM has room for few.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _failed(future: Future) -> bool:
    return future.done() and future.exception() is not None


def _serve(queue: SimpleQueue, guard: AbstractContextManager) -> None:
    while (item := queue.get()) is not None:
        work, rank, future = item
        try:
            with guard:
                result = work(rank)
            future.set_result(result)
        except BaseException as error:  # handed to the caller
            forget_locals(error)
            future.set_exception(error)
        result = None
        del item, work, future
