# SPDX-License-Identifier: Apache-2.0
"""A module planned once more, for the boards that would be left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tvm

from ..cost import Cost
from ..errors import InputError, PlanError
from ..plan import check_scheme
from ..plan.model.losses import distinct_losses, remaining
from ..relay import Partitioned, partition


def planned_ahead(
    whole: Partitioned, targets: Sequence[tvm.target.Target], losses: int, cost: Cost | None
) -> Iterator[tuple[str, Partitioned, list[tvm.target.Target]]]:
    """A partitioned module, planned for the loss of boards.

    Yields
    ------
    name : str
        The ranks that are left.
    fewer : Partitioned
        Planned for them.
    targets : list of tvm.target.Target
        Theirs.

    Raises
    ------
    InputError
        If no board would be left.
    """
    plan = whole.plan
    check_fallbacks(losses, plan.boards)
    for lost in range(1, losses + 1):
        for kept in distinct_losses(plan.cluster, list(map(str, targets)), lost):
            scheme, cluster = scheme_for(plan.scheme, len(kept)), remaining(plan.cluster, kept)
            objective = plan.notes.get("objective", "latency")
            planned = partition(whole.imported, cluster, scheme, cost, objective)
            yield "-".join(map(str, kept)), planned, [targets[rank] for rank in kept]


def check_fallbacks(losses: int, boards: int) -> None:
    """``InputError`` if no board would be left."""
    if not 0 <= losses < boards:
        raise InputError(f"{losses} fallbacks for {boards} boards: one must be left")


def scheme_for(asked: str, boards: int) -> str:
    """The way of cutting that was asked for, if so few boards can be cut for that way."""
    try:
        check_scheme(asked, boards)
    except PlanError:
        return "auto"
    return asked
