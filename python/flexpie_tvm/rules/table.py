# SPDX-License-Identifier: Apache-2.0
"""The rules of all known operators; any other operator is computed whole."""

from __future__ import annotations

from ..graph import Op
from . import conv, elementwise, matmul, pool, reduce, reshape, resize, shape, transposed
from .base import Rule

RULES: dict[str, Rule] = {
    **conv.RULES,
    **elementwise.RULES,
    **matmul.RULES,
    **pool.RULES,
    **reduce.RULES,
    **reshape.RULES,
    **resize.RULES,
    **shape.RULES,
    **transposed.RULES,
}

_WHOLE = Rule()


def rule_for(op: Op) -> Rule:
    """The rule of an operator (the fallback for operators without one)."""
    if len(op.outputs) != 1:
        return _WHOLE
    return RULES.get(op.kind, _WHOLE)
