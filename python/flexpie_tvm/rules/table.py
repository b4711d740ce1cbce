# SPDX-License-Identifier: Apache-2.0
"""The rules of all known operators; any other operator is computed whole."""

from __future__ import annotations

from ..graph import Op, Region
from . import (
    conv,
    einsum,
    elementwise,
    index,
    matmul,
    norm,
    pad,
    pool,
    qnn,
    recurrent,
    reduce,
    repeat,
    reshape,
    resize,
    shape,
    sliding,
    space,
    transposed,
)
from .base import Rule

FAMILIES = (
    conv,
    transposed,
    matmul,
    einsum,
    pool,
    elementwise,
    reduce,
    norm,
    reshape,
    shape,
    pad,
    repeat,
    index,
    resize,
    space,
    sliding,
    qnn,
    recurrent,
)

RULES: dict[str, Rule] = {kind: rule for family in FAMILIES for kind, rule in family.RULES.items()}


class _Several(Rule):
    """The rule of several results of an operator nobody knows: parts of its input, for nothing."""

    def flops(self, op: Op, region: Region) -> int:
        return 0


_WHOLE, _SEVERAL = Rule(), _Several()


def rule_for(op: Op) -> Rule:
    """The rule of an operator (the fallback for operators without one).

    Parameters
    ----------
    op : Op
        Only its kind and number of outputs matter.
    """
    if len(op.outputs) != 1:
        return recurrent.RULES.get(op.kind, _SEVERAL)
    return RULES.get(op.kind, _WHOLE)
