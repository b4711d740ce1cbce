# SPDX-License-Identifier: Apache-2.0
"""Boards' modules -> compiled libraries."""

from .build import build_boards
from .merge import input_name

__all__ = ["build_boards", "input_name"]
