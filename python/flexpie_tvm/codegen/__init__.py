# SPDX-License-Identifier: Apache-2.0
"""Boards' modules -> compiled libraries."""

from .build import build_boards
from .build_cache import BuildCache, user_cache
from .merge import input_name

__all__ = ["BuildCache", "build_boards", "input_name", "user_cache"]
