# SPDX-License-Identifier: Apache-2.0
"""Who is to blame, by what boards report and by which of them the host reaches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import BoardLost, BoardTimeout, LinkLost
from .board_errors import BOARD_FAILURES, board_error, own_link_down, root_cause
from .board_runner import BoardRunner
from .reach import unreached


def out_of_reach(runners: Sequence[BoardRunner], ranks: Collection[int]) -> set[int]:
    """Which of some boards' systems the host does not reach; none before boards have ports."""
    return unreached(
        {
            rank: (runners[rank].session.address, port)
            for rank in ranks
            if (port := runners[rank].port) is not None
        }
    )


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
    """
    broken = {rank for rank, error in failures.items() if _is_broken(rank, error)}
    without_port = {rank for rank in silent if runners[rank].port is None}
    asked = {*silent, *broken} - without_port
    missing = out_of_reach(runners, asked)
    if missing == asked:  # those that came back may have done so before the host's link was cut
        missing |= out_of_reach(runners, set(range(len(runners))) - asked - without_port)
    if len(missing) == len(runners) > 1:
        return own_link_down(len(runners))
    return root_cause(failures, silent, seconds, (missing & set(silent)) | without_port)


def _is_broken(rank: int, error: BaseException) -> bool:
    if not isinstance(error, BOARD_FAILURES):
        return False
    found = board_error(rank, error)
    return isinstance(found, BoardLost) and found.peer is None
