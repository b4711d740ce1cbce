# SPDX-License-Identifier: Apache-2.0
"""Transforms of Winograd's minimal filtering along one axis, F(m, 3) for m of 2 to 4 results.

The points are 0, 1, -1, 2, -2 (as many as are needed) and infinity; scales are such that pixels and
sums are multiplied by whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import tir

#: Results along an axis -> the transform of three weights.
WEIGHTS = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    3: np.array([
        [1 / 2, 0, 0], [-1 / 2, -1 / 2, -1 / 2], [-1 / 6, 1 / 6, -1 / 6],
        [1 / 6, 1 / 3, 2 / 3], [0, 0, 1],
    ]),
    4: np.array([
        [1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1],
    ]),
}  # fmt: skip


def pixel_transform(d: Sequence[tir.PrimExpr]) -> list[tir.PrimExpr]:
    """Pixels of a row or column of a patch, transformed: 4 to 6 of them."""
    if len(d) == 4:
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]]
    if len(d) == 5:
        odd, rest = d[3] - d[1], d[3] - d[2]
        first = (d[0] - d[2]) * 2.0 + odd
        return [first, rest - d[1] * 2.0, rest + (d[1] - d[2]) * 2.0, odd, d[4] - d[2] - odd * 2.0]
    even, odd = d[4] - d[2] * 4.0, d[3] - d[1] * 4.0
    low, high = d[4] - d[2], (d[3] - d[1]) * 2.0
    first = d[0] * 4.0 + d[4] - d[2] * 5.0
    last = d[1] * 4.0 + d[5] - d[3] * 5.0
    return [first, even + odd, even - odd, low + high, low - high, last]


def result_transform(m: Sequence[tir.PrimExpr]) -> list[tir.PrimExpr]:
    """Results of the sums of a row or column of a patch: two fewer than sums."""
    ones, one = m[1] + m[2], m[1] - m[2]
    if len(m) == 4:
        return [m[0] + ones, one + m[3]]
    if len(m) == 5:
        return [m[0] + ones + m[3], one + m[3] * 2.0, ones + m[3] * 4.0 + m[4]]
    twos, two = m[3] + m[4], m[3] - m[4]
    return [m[0] + ones + twos, one + two * 2.0, ones + twos * 4.0, one + two * 8.0 + m[5]]
