# SPDX-License-Identifier: Apache-2.0
"""How much of which core each board gets: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import ClusterError

ROUNDING = 1e-9


@dataclass(frozen=True)
class CpuShare:
    """A board's part of the machine: ``quota`` cores' time, on ``core`` or (None) on any."""

    quota: float
    core: int | None


def share_cpus(
    boards: int, cores: Sequence[int], cpu: float = 0.0, speeds: Sequence[float] = ()
) -> tuple[CpuShare, ...]:
    """Divide cores among boards.

    Parameters
    ----------
    boards : int
        Number of boards.
    cores : sequence of int
        The cores that there are.
    cpu : float
        Cores of the fastest board; 0 means one, or as much as there is for all boards.
    speeds : sequence of float
        Relative speeds; empty means equal.

    Returns
    -------
    shares : tuple of CpuShare
        One per board. Boards are pinned to cores wherever each fits on one.

    Raises
    ------
    ClusterError
        If the boards need more cores than there are.
    """
    relative = [s / max(speeds) for s in speeds] if speeds else [1.0] * boards
    top = cpu or min(1.0, len(cores) / sum(relative))
    quotas = [top * r for r in relative]
    if sum(quotas) > len(cores) + ROUNDING:
        raise ClusterError(
            f"the boards need {sum(quotas):g} cores, {len(cores)} are here: give --cpu "
            f"{len(cores) / sum(relative):.2f} or less"
        )
    placed = _pack(quotas, cores)
    return tuple(CpuShare(q, c) for q, c in zip(quotas, placed, strict=True))


def alone(rank: int, shares: Sequence[CpuShare]) -> bool:
    """Whether a board has a core that no other board may use.

    Parameters
    ----------
    rank : int
        The board.
    shares : sequence of CpuShare
        Of all boards.
    """
    core = shares[rank].core
    return core is not None and [share.core for share in shares].count(core) == 1


def _pack(quotas: Sequence[float], cores: Sequence[int]) -> list[int | None]:
    """A core for each quota: largest first, on the emptiest core; all None if some do not fit."""
    free = dict.fromkeys(cores, 1.0)
    placed: list[int | None] = [None] * len(quotas)
    for board in sorted(range(len(quotas)), key=lambda k: -quotas[k]):
        core = max(free, key=lambda c: free[c])
        if free[core] + ROUNDING < quotas[board]:
            return [None] * len(quotas)
        free[core] -= quotas[board]
        placed[board] = core
    return placed
