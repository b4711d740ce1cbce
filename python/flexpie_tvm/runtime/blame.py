# SPDX-License-Identifier: Apache-2.0
"""Who is to blame, by what boards report and by which of them the host reaches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import BoardError, BoardLost, BoardTimeout, LinkLost
from .board_errors import BOARD_FAILURES, board_error, own_link_down, root_cause
from .board_runner import BoardRunner
from .reach import unreached


def out_of_reach(runners: Sequence[BoardRunner], ranks: Collection[int]) -> set[int]:
    """Which of some boards' systems the host does not reach."""
    return unreached({rank: _place(runners[rank]) for rank in ranks})


def _place(runner: BoardRunner) -> tuple[str, int]:
    session = runner.session
    return session.address, session.port if runner.port is None else runner.port


def explained(failures: Mapping[int, BaseException], out: Collection[int]) -> bool:
    """Whether boards that failed have waited in vain for each of those that are out."""
    errors = [board_error(k, e) for k, e in failures.items() if isinstance(e, BOARD_FAILURES)]
    waited = (error for error in errors if isinstance(error, BoardTimeout | LinkLost | BoardLost))
    return set(out) <= {error.peer for error in waited}


def blamed(
    runners: Sequence[BoardRunner],
    failures: Mapping[int, BaseException],
    silent: Collection[int],
    seconds: float,
    own_link: bool = False,
) -> BaseException:
    """The failure that explains the others.

    Parameters
    ----------
    runners : sequence of BoardRunner
        All boards.
    failures : mapping
        Rank -> exception, in the order in which they came.
    silent : collection of int
        Ranks that have not come back.
    seconds : float
        How long they were waited for.
    own_link : bool
        Whether the host has reached none of its boards meanwhile: `Sight`.
    """
    if own_link:
        return own_link_down(len(runners))
    broken = {rank for rank, error in failures.items() if is_broken(rank, error)}
    asked = {*silent, *broken}
    missing = out_of_reach(runners, asked)
    if missing == asked:  # those that came back may have done so before the host's link was cut
        missing |= out_of_reach(runners, set(range(len(runners))) - asked)
    if len(missing) == len(runners) > 1:
        return own_link_down(len(runners))
    return root_cause(failures, silent, seconds, missing & set(silent))


def is_broken(rank: int, error: BaseException) -> bool:
    """Whether an error is that the host's own connection to a board broke."""
    if not isinstance(error, BOARD_FAILURES):
        return False
    found = board_error(rank, error)
    return isinstance(found, BoardLost) and found.peer is None


def over(cause: BoardError) -> BoardError:
    """What is said of a deployment that has failed before: the same again."""
    text = f"{cause} (earlier; this deployment is over: deploy the artifact again)"
    return type(cause)(text, cause.board, cause.peer, cause.exchange)
