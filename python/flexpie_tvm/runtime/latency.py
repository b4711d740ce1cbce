# SPDX-License-Identifier: Apache-2.0
"""How long calls take."""

from __future__ import annotations

import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """Milliseconds that a call takes."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def latencies(work: Callable[[], object], repeat: int, warm_up: int) -> list[float]:
    """Milliseconds of each of ``repeat`` calls, after ``warm_up`` that are not timed."""
    for _ in range(warm_up):
        work()
    return [timed(work) for _ in range(repeat)]
