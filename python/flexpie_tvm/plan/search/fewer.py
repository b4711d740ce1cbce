# SPDX-License-Identifier: Apache-2.0
"""What may be chosen where only some of the boards are to take part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from ..model.scheme import Split
from .candidates import Candidates, Shares


def within(
    team: Collection[int], candidates: Candidates, shares: Shares
) -> tuple[Candidates, Shares]:
    """Those candidates and shares that leave all other boards nothing to do.

    Parameters
    ----------
    team : collection of int
        Ranks of the boards that may take part.
    candidates, shares
        As `candidates_for` and `shares_for` gave them for all boards.
    """
    allowed = set(team)
    ways = {
        tensor: tuple(way for way in found if set(_ranks(way.split)) <= allowed)
        for tensor, found in candidates.items()
    }
    parts = {
        tensor: tuple(split for split in splits if set(_ranks(split)) <= allowed)
        for tensor, splits in shares.items()
    }
    return ways, {tensor: splits for tensor, splits in parts.items() if splits}


def _ranks(split: Split) -> Sequence[int]:
    """The board of each cell."""
    return split.ranks or range(prod(len(cut) - 1 for cut in split.cuts))
