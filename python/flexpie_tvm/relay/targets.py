# SPDX-License-Identifier: Apache-2.0
"""The boards' TVM targets: one for all of them, or one per board."""

from __future__ import annotations

from collections.abc import Sequence

import tvm

from ..errors import InputError

Target = tvm.target.Target | str
Targets = Target | Sequence[Target]


def targets_of(given: Targets, boards: int | None = None) -> tuple[tvm.target.Target, ...]:
    """Targets from one or several.

    Parameters
    ----------
    given : tvm.target.Target or str, or a sequence of them
        One target for all boards, or one per board.
    boards : int, optional
        Number of boards; the result then has one target for each.

    Raises
    ------
    InputError
        If there are several targets, but not one per board.
    """
    several = [given] if isinstance(given, tvm.target.Target | str) else list(given)
    if not several or (boards is not None and len(several) not in (1, boards)):
        raise InputError(
            f"{len(several)} targets for {boards or 'the'} boards: give one for all or one each"
        )
    targets = tuple(tvm.target.Target(target) for target in several)
    return targets * boards if boards is not None and len(targets) == 1 else targets
