# SPDX-License-Identifier: Apache-2.0
"""What an inference takes in which nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing

import numpy as np
import tvm

from ...runtime.board_errors import root_cause
from ...runtime.host_link import HostLink
from ...runtime.latency import timed
from ...runtime.native import native_library, target_arch
from ...runtime.session import Session
from ...runtime.workers import Workers

DEADLINE, REPEATS, WARM_UP = 30.0, 200, 20


def time_calls(sessions: Sequence[Session], target: str) -> dict[int, float]:
    """Seconds of an inference of nothing: on one of the boards, and on all.

    As in any inference a thread for each board sends it an input, has it run and gets its answer;
    here it is one number each way, and a function that does nothing. The others' threads wake
    up, too.

    Parameters
    ----------
    sessions : sequence of Session
        The boards, at least one.
    target : str
        Of the boards.

    Returns
    -------
    seconds : dict
        How many boards take part -> seconds.

    Raises
    ------
    BoardError
        If a board is lost.
    """
    with ExitStack() as stack:
        links, arrays = [], []  # arrays must outlive the links
        for rank, session in enumerate(sessions):
            session.load_once(native_library(target_arch(target)))
            both = [tvm.nd.empty((1,), "float32", session.remote.cpu(0)) for _ in range(2)]
            arrays.append(both)
            link = HostLink(rank, session, both[:1], both[1:], DEADLINE)
            links.append(stack.enter_context(closing(link)))
        workers = Workers(len(sessions), [session.in_use for session in sessions])
        stack.callback(workers.close)
        return {count: _seconds(workers, links, count) for count in {1, len(sessions)}}


def _seconds(workers: Workers, links: Sequence[HostLink], count: int) -> float:
    number = np.zeros(1, "float32")

    def infer(rank: int) -> None:
        if rank < count:
            links[rank].infer_global([number], "runtime.NumThreads")

    def everywhere() -> None:
        _, failures, silent = workers.each(infer, DEADLINE)
        if failures or silent:
            raise root_cause(failures, silent, DEADLINE) from None

    times = [timed(everywhere) for _ in range(WARM_UP + REPEATS)]
    return float(np.median(times[WARM_UP:])) * 1e-3
