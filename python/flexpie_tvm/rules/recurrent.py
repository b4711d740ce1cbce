# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks: each step needs the one before, so they are computed whole.

Attributes of such an operator tell what its steps do, because shapes do not: ``flops``,
``special`` (results of functions that cost many times an addition), ``kernels``, ``traffic``
(bytes that its operators read and write among themselves) and ``working`` (bytes that are held
at once beside its inputs and results).
"""

from __future__ import annotations

from ..graph import Op, Region
from .base import Rule

KIND = "flexpie.recurrent"


class Recurrent(Rule):
    """Whole inputs, whole results, and the work of all steps."""

    def flops(self, op: Op, region: Region) -> int:
        return op.attrs["flops"]


RULES: dict[str, Rule] = {KIND: Recurrent()}
