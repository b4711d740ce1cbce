# SPDX-License-Identifier: Apache-2.0
"""What is done to whom, and when; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flexpie_tvm.errors import BoardError, LinkLost

#: Of processes of a board, of the host, of links.
KINDS = (
    "kill session", "kill listener", "kill main", "kill host", "freeze", "freeze and thaw", "slow",
    "link down", "cable down", "host cable down",
)  # fmt: skip
MOMENTS = ("idle", "deploy", "compute", "exchange")
#: Whom an error names if it is the host.
HOST = -1


@dataclass(frozen=True)
class Fault:
    """A fault.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    moment : str
        One of `MOMENTS`: between runs, while an artifact is deployed, or while the victim computes
        or exchanges.
    boards : int
        Boards of the deployment.
    victim : int
        Rank of a board.
    other : int
        Rank of the board at the other end of a link.
    at : float
        Where in the moment, 0 to 1.
    seconds : float
        How long it lasts, if it ends.
    """

    kind: str
    moment: str
    boards: int
    victim: int
    other: int
    at: float
    seconds: float

    @property
    def culprits(self) -> set[int]:
        """Who may be named, and nobody else."""
        if self.kind == "host cable down":
            return {HOST}
        return {self.victim, self.other} if self.kind == "link down" else {self.victim}

    @property
    def ends(self) -> bool:
        """Whether it is over by itself, after its seconds."""
        return self.kind in ("freeze and thaw", "slow") or self.kind.endswith("down")


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Parameters
    ----------
    error, type : str
        What the caller was told; empty if all answers came.
    named : bool
        Whether the error names who failed, and nobody else; true without an error.
    wrong, answers : int
        Answers that were not right, and all of them.
    raw : bool
        Whether the error was none of ours.
    waited : float
        Seconds that a call took at most, from the fault on.
    free, registered : float
        Seconds from ``close()`` until the other boards were free again; and until all were, from
        then or from the end of the fault. A host that is killed closes nothing.
    """

    error: str
    type: str
    named: bool
    wrong: int
    answers: int
    raw: bool
    waited: float
    free: float
    registered: float


def draw(rng: np.random.Generator, most: int, deadline: float) -> Fault:
    """A random fault of 2 to ``most`` boards."""
    kind, moment = str(rng.choice(KINDS)), str(rng.choice(MOMENTS))
    boards = int(rng.integers(2, most + 1))
    victim, other = (int(k) for k in rng.permutation(boards)[:2])
    seconds = float(rng.uniform(0.3, 3) * deadline)
    if kind.endswith("down"):
        seconds = float(rng.uniform(0.5, 10))
    return Fault(kind, moment, boards, victim, other, float(rng.random()), seconds)


def is_named(fault: Fault, error: Exception | None) -> bool:
    """Whether an error names who failed, and nobody else."""
    if not isinstance(error, BoardError):
        return error is None
    if isinstance(error, LinkLost):
        named = {HOST} if error.peer is None else {error.board, error.peer}
        if fault.kind == "cable down":  # of the board whose cable it is, and of one that saw it
            return fault.victim in named
    else:
        named = {error.board if error.peer is None else error.peer}
    return named <= fault.culprits
