# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM.

A KeyboardInterrupt that is raised while Python and TVM call each other comes out as a page of
text, as some other error, or not at all. So in work that goes step by step the first one waits
for the end of the step, and elsewhere it is found again in what it became.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

AGAIN_SECONDS = 0.05


@contextmanager
def interruptible(step: str) -> Iterator[Callable[[], None]]:
    """Ctrl-C or SIGTERM ends the body after its step, a second one at once.

    Parameters
    ----------
    step : str
        What is finished first, for the message.

    Yields
    ------
    check : callable
        To be called after every step; raises KeyboardInterrupt if it was asked for.
    """
    asked: list[int] = []

    def interrupt(number: int, _: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        click.echo(f"flexpie: stopping after this {step}; once more to stop at once", err=True)

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heed_signals() -> None:
    """Let SIGTERM interrupt like Ctrl-C, and neither be lost in a destructor."""
    signal.signal(signal.SIGTERM, _interrupt)
    before = sys.unraisablehook

    def unraisable(lost: object) -> None:
        if lost.exc_type is KeyboardInterrupt:
            # Never ignored, as SIGINT may be; a little later, in what comes after the destructor.
            again = (threading.main_thread().ident, signal.SIGTERM)
            threading.Timer(AGAIN_SECONDS, signal.pthread_kill, again).start()
        else:
            before(lost)

    sys.unraisablehook = unraisable


def was_interrupted(error: BaseException | None) -> bool:
    """Whether an error is what became of a KeyboardInterrupt on its way through TVM."""
    while error is not None:
        # TVM takes the traceback of a function that it called into the text of its own error
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
