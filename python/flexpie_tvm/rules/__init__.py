# SPDX-License-Identifier: Apache-2.0
"""Rules per operator family: output region -> input regions. Plain Python, no TVM."""

from .base import Rule, Tile, default_axes
from .layout import Layout, parse_layout
from .partial import (
    combine_of,
    contracted_axis,
    partial_tile,
    parts_keep_precision,
    reducible_axes,
    sum_rounding,
)
from .table import RULES, rule_for

__all__ = [
    "RULES",
    "Layout",
    "Rule",
    "Tile",
    "combine_of",
    "contracted_axis",
    "default_axes",
    "parse_layout",
    "partial_tile",
    "parts_keep_precision",
    "reducible_axes",
    "rule_for",
    "sum_rounding",
]
