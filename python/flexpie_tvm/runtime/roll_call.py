# SPDX-License-Identifier: Apache-2.0
"""Which boards answer, and what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .reach import unreached
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


def architectures(
    sessions: Sequence[Session], archs: Sequence[str], alive: float, patience: float
) -> tuple[list[tuple[Session, str | None]], list[Session]]:
    """Of each board that answers its architecture, and the boards that do not answer.

    Parameters
    ----------
    sessions : sequence of Session
        The boards.
    archs : sequence of str
        Those to choose from: as for `Session.arch`.
    alive, patience : float
        Seconds for a sign of life, and then for the answer, before which a board may get a library.
    """
    lost = lost_boards(sessions, alive)
    asked = [session for k, session in enumerate(sessions) if k not in lost]
    found, mute = asked_all(asked, lambda session: session.arch(archs), patience)
    gone = [sessions[k] for k in sorted(lost)] + [asked[k] for k in sorted(mute)]
    if gone and _none_is_reached(sessions):  # some may have answered before the link was cut
        return [], list(sessions)
    return [(asked[k], found[k]) for k in range(len(asked)) if k not in mute], gone


def asked_all(
    sessions: Sequence[Session], question: Callable[[Session], object], patience: float
) -> tuple[list, set[int]]:
    """Ask all boards at once.

    Returns
    -------
    answers : list
        One per board, None where there is none.
    mute : set of int
        Places of those that failed, or did not answer within so many seconds; half of them if the
        host reaches none of several boards.
    """
    workers = Workers(len(sessions), [session.in_use for session in sessions])
    answers, failures, silent = workers.each(
        lambda k: question(sessions[k]),
        patience,
        patience,
        hopeless=lambda _: _none_is_reached(sessions),
    )
    workers.close()
    return answers, {*failures, *silent}


def _none_is_reached(sessions: Sequence[Session]) -> bool:
    """Whether the host's own link is down; of a single board nobody can tell."""
    places = {k: (session.address, session.port) for k, session in enumerate(sessions)}
    return len(places) > 1 and len(unreached(places)) == len(places)
