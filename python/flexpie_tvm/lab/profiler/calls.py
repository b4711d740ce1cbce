# SPDX-License-Identifier: Apache-2.0
"""What the host spends on calling boards, whatever they compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.board_errors import root_cause
from ...runtime.latency import timed
from ...runtime.session import Session
from ...runtime.workers import Workers

DEADLINE, REPEATS, WARM_UP = 30.0, 200, 20
#: Of the times of a call the one that is kept: others may be using the host.
QUANTILE = 0.1


def time_calls(sessions: Sequence[Session]) -> tuple[float, float]:
    """Seconds of an inference, and seconds of each board more.

    All boards are called at once as in an inference, each by a thread of its own, for a function
    that does nothing: first one board, then all.

    Parameters
    ----------
    sessions : sequence of Session
        The boards, at least one.

    Raises
    ------
    BoardError
        If a board is lost.
    """
    one, all_of_them = _seconds(sessions[:1]), _seconds(sessions)
    if len(sessions) == 1:
        return 0.0, one
    call = max(0.0, (all_of_them - one) / (len(sessions) - 1))
    return max(0.0, one - call), call


def _seconds(sessions: Sequence[Session]) -> float:
    functions = [session.remote.get_function("runtime.NumThreads") for session in sessions]
    workers = Workers(len(sessions), [session.in_use for session in sessions])

    def everywhere() -> None:
        _, failures, silent = workers.each(lambda rank: functions[rank](), DEADLINE)
        if failures or silent:
            raise root_cause(failures, silent, DEADLINE) from None

    try:
        times = [timed(everywhere) for _ in range(WARM_UP + REPEATS)]
    finally:
        workers.close()
    return float(np.quantile(times[WARM_UP:], QUANTILE)) * 1e-3
