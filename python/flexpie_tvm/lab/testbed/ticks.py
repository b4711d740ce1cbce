# SPDX-License-Identifier: Apache-2.0
"""Have the kernel stop boards in time.

A board with half a core may run for half of every period of its control group. But the kernel
counts what a task has used when its timer ticks (every 4 ms at 250 Hz) or when tasks change, so a
board that computes without a pause runs for longer, and then stops for the periods that it has
overdrawn: at 0.3 of a core for 8 ms on average, instead of 3.5. A program that wakes up often on
that core, before all others, makes tasks change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from .cpus import CpuShare

#: Seconds from one change to the next, of boards that run for 1 ms at a time at least. Costs some
#: 4% of a core.
EVERY = 5e-4

# The kernel may refuse the priority; what wakes then changes tasks less reliably, and harms nobody.
TICK = """
import contextlib, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
with contextlib.suppress(OSError):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
every = float(sys.argv[2])
while True:
    time.sleep(every)
"""


def ticked_cores(shares: Iterable[CpuShare], cores: Iterable[int]) -> list[int]:
    """The cores on which boards have to be stopped in time.

    Parameters
    ----------
    shares : iterable of CpuShare
        The boards'.
    cores : iterable of int
        Where boards without a core of their own are.
    """
    halved = [share for share in shares if share.quota < 1]
    if any(share.core is None for share in halved):
        return sorted(cores)
    return sorted({share.core for share in halved})


def tick_command(core: int) -> list[str]:
    """What wakes up on a core, until it is ended."""
    return [sys.executable, "-S", "-E", "-c", TICK, str(core), str(EVERY)]
