# SPDX-License-Identifier: Apache-2.0
"""The boards' TVM targets: one for all of them, or one per board."""

from __future__ import annotations

from collections.abc import Sequence

import tvm

from ..errors import InputError
from ..plan import ClusterSpec

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
        If there are several targets, but not one per board, or TVM does not know one.
    """
    several = [given] if isinstance(given, tvm.target.Target | str) else list(given)
    if not several or (boards is not None and len(several) not in (1, boards)):
        raise InputError(
            f"{len(several)} targets for {boards or 'the'} boards: give one for all or one each"
        )
    targets = tuple(t if isinstance(t, tvm.target.Target) else parse_target(t) for t in several)
    return targets * boards if boards is not None and len(targets) == 1 else targets


def parse_target(text: str) -> tvm.target.Target:
    """A TVM target; ``InputError`` if TVM does not know it."""
    if not text.startswith(("llvm", "{", "raspberry-pi/")):  # TVM looks for a GPU and says so
        raise InputError(f"target '{text}' is not one of TVM's CPU targets: give one of llvm's")
    try:
        return tvm.target.Target(text)
    except (ValueError, TypeError, tvm.error.TVMError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"target '{text}' is not one of TVM's: {reason}") from None


def boards_targets(given: Targets | None, cluster: ClusterSpec) -> tuple[tvm.target.Target, ...]:
    """A target for each board of a cluster: those given, else the cluster's, else this machine's.

    Raises
    ------
    InputError
        If there are several targets, but not one per board.
    """
    return targets_of(given or cluster.targets or host_target(), cluster.boards)


def host_target() -> str:
    """TVM target of this machine."""
    return f"llvm -mcpu={tvm.target.codegen.llvm_get_system_cpu()}"
