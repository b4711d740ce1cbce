# SPDX-License-Identifier: Apache-2.0
"""Processes that are as slow as boards that got hot."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def throttled(processes: Sequence[int], runs: float, rests: float) -> Iterator[None]:
    """Processes that get a share of their time meanwhile.

    Parameters
    ----------
    processes : sequence of int
        Their ids.
    runs, rests : float
        Seconds that they are let run, and then stopped, in turns.
    """
    over = threading.Event()

    def throttle() -> None:
        while not over.wait(runs):
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            over.wait(rests)
            for process in processes:
                os.kill(process, signal.SIGCONT)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for process in processes:
            os.kill(process, signal.SIGCONT)
