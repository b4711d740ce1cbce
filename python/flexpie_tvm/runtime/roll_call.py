# SPDX-License-Identifier: Apache-2.0
"""Which boards answer, and what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .session import Session
from .workers import Workers

#: A function that every TVM RPC server has, before anything of ours is there.
ANY = "tvm.rpc.server.workpath"


def lost_boards(sessions: Sequence[Session], patience: float, again: bool = False) -> set[int]:
    """Which boards do not answer a call.

    Parameters
    ----------
    sessions : sequence of Session
        The boards.
    patience : float
        Seconds.
    again : bool
        Ask once more if of several boards none answers: they are rather busy, with loading what
        they run for instance.

    Returns
    -------
    places : set of int
        Their places in the sequence.
    """

    def ask() -> set[int]:
        return asked_all(sessions, lambda s: s.remote.get_function(ANY)(""), patience)[1]

    lost = ask()
    return ask() if again and len(lost) == len(sessions) > 1 else lost


def asked_all(
    sessions: Sequence[Session], question: Callable[[Session], object], patience: float
) -> tuple[list, set[int]]:
    """Ask all boards at once.

    Returns
    -------
    answers : list
        One per board, None where there is none.
    mute : set of int
        Places of those that failed, or did not answer within so many seconds.
    """
    workers = Workers(len(sessions), [session.in_use for session in sessions])
    answers, failures, silent = workers.each(lambda k: question(sessions[k]), patience, patience)
    workers.close()
    return answers, {*failures, *silent}
