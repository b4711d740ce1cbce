# SPDX-License-Identifier: Apache-2.0
"""From the text of a board's error to a typed exception that names the culprit."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping

import tvm

from ..errors import (
    BoardDamaged,
    BoardDesync,
    BoardError,
    BoardLost,
    BoardTimeout,
    BoardUntrusted,
    LinkLost,
)

KINDS: Mapping[str, type[BoardError]] = {
    "lost_board": BoardLost,
    "unreached": LinkLost,
    "deadline": BoardTimeout,
    "desync": BoardDesync,
    "damaged": BoardDamaged,
    "untrusted": BoardUntrusted,
}


# ranks of errors that only say that another board is late, or gone
WAITED, SAW = 5, 6
#: After these the same may succeed elsewhere: nothing is wrong with what was asked for.
RECOVERABLE = (BoardLost, LinkLost, BoardTimeout, BoardDesync, BoardDamaged)
BOARD_FAILURES = (tvm.error.TVMError, RuntimeError, OSError)


def board_error(board: int, error: Exception) -> BoardError:
    """What happened on a board, from the exception that its RPC call raised."""
    if isinstance(error, BoardError):
        return error
    found = re.search(r"FLEXPIE_ERROR (\{.*?\}) (.*)", str(error))
    if found:
        facts = json.loads(found[1])
        peer = facts["peer"] if facts["peer"] >= 0 else None
        exchange = facts["exchange"] if facts["exchange"] >= 0 else None
        kind = KINDS.get(facts["kind"], BoardError)
        return kind(found[2].strip(), facts["board"], peer, exchange)
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    last = lines[-1].strip() if lines else type(error).__name__
    if last.endswith("Error caught from RPC call:"):
        last = "its server gave no reason, which it may have printed"
    if isinstance(error, OSError) or session_broke(str(error)):
        return BoardLost(f"board {board} is lost: its RPC session broke ({last})", board)
    return BoardError(f"board {board} failed: {last}", board)


def session_broke(text: str) -> bool:
    """True if the RPC client failed, not what it called."""
    if "Error caught from RPC call" in text:
        return False
    return bool(re.search(r"RPCCode|Socket|Connection|connection|channel|reset by peer", text))


def own_link_down(boards: int) -> LinkLost:
    """What is wrong if the host reaches none of several boards; it names no other board."""
    return LinkLost(f"the host reaches none of its {boards} boards: its own link is down", 0)


def root_cause(
    failures: Mapping[int, BaseException],
    silent: Collection[int],
    patience: float,
    unreached: Collection[int] | None = None,
) -> BaseException:
    """The failure that explains the others.

    A board that fails closes its links, and a board that waits in vain makes others wait, so
    most of what is reported is a consequence. In this order: an error that is no board's
    (our own), a board whose RPC session broke, a board that failed by itself, a link that is
    cut, a board that is silent and named by another, any other silent board, then whoever
    waited in vain at the earliest exchange, and of those the first: a late board complains,
    too, but later.

    Parameters
    ----------
    failures : mapping
        Rank -> exception, in the order in which they came.
    silent : collection of int
        Ranks that have not come back.
    patience : float
        Seconds that they were waited for, for the message.
    unreached : collection of int, optional
        Those of the silent ranks whose systems the host does not reach; all of them by default.
    """
    unreached = silent if unreached is None else unreached
    ours = [e for e in failures.values() if not isinstance(e, BOARD_FAILURES)]
    if ours:
        return ours[0]
    errors = [board_error(rank, error) for rank, error in failures.items()]
    cause = min(errors, key=lambda error: _order(error, silent), default=None)
    if silent and (cause is None or _rank_of_cause(cause, silent) >= WAITED):
        rank = min(unreached or silent)
        return BoardLost(f"board {rank} is lost: no answer within {patience:.1f} s", rank)
    return _told_apart(cause, silent, unreached)


def _told_apart(
    cause: BoardError, silent: Collection[int], unreached: Collection[int]
) -> BoardError:
    """Whether a board that another one waits for is gone, out of its reach, or slow."""
    board, peer = cause.board, cause.peer
    if isinstance(cause, LinkLost) and peer not in unreached:
        text = f"boards {board} and {peer} do not reach each other, and the host reaches both"
        return LinkLost(f"{text}: {cause}", board, peer, cause.exchange)
    gone = unreached if isinstance(cause, LinkLost) else silent
    if isinstance(cause, LinkLost | BoardTimeout) and peer in gone:
        text = f"board {peer} is lost: neither board {board} nor the host gets an answer"
        return BoardLost(f"{text} ({cause})", peer, exchange=cause.exchange)
    return cause


def _order(error: BoardError, silent: Collection[int]) -> tuple[int, int]:
    # Of boards that wait for each other, the one at the earliest exchange waits for the culprit.
    return _rank_of_cause(error, silent), -1 if error.exchange is None else error.exchange


def _rank_of_cause(error: BoardError, silent: Collection[int]) -> int:
    if error.peer is None:
        return 0 if isinstance(error, BoardLost) else 1
    if isinstance(error, LinkLost):
        return 2
    if error.peer in silent:
        return 3
    if not isinstance(error, BoardLost | BoardTimeout):
        return 4
    # a board that has waited in vain closes its links, which its neighbours then see
    return WAITED if isinstance(error, BoardTimeout) else SAW
