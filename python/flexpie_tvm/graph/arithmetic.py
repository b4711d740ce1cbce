# SPDX-License-Identifier: Apache-2.0
"""Whole numbers."""

from __future__ import annotations


def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a number, 1 or more, that is not above ``most``."""
    return next(n for n in range(min(number, most), 0, -1) if number % n == 0)
