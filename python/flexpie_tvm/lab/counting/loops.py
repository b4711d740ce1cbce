# SPDX-License-Identifier: Apache-2.0
"""Instructions in a row that are executed equally often: the bodies of loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .blocks import WORD_BYTES, Executed

#: A loop that is left early now and then is still one loop.
_ALMOST = 0.02


@dataclass(frozen=True)
class Loop:
    """Instructions in a row.

    Parameters
    ----------
    address : int
        Of the first.
    words : tuple of int
        Once through.
    instructions : int
        Executed by all passes.
    """

    address: int
    words: tuple[int, ...]
    instructions: int

    @property
    def passes(self) -> float:
        """How often it was executed."""
        return self.instructions / len(self.words)


def find_loops(executed: Sequence[Executed]) -> list[Loop]:
    """Cut a guest's instructions, sorted by address, where executions change."""
    runs: list[list[Executed]] = []
    for one in executed:
        if runs and _continues(runs[-1], one):
            runs[-1].append(one)
        else:
            runs.append([one])
    return [
        Loop(run[0].address, tuple(e.word for e in run), sum(e.executions for e in run))
        for run in runs
    ]


def _continues(run: Sequence[Executed], one: Executed) -> bool:
    follows = one.address == run[-1].address + WORD_BYTES
    return follows and abs(one.executions - run[0].executions) <= _ALMOST * run[0].executions
