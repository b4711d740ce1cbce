# SPDX-License-Identifier: Apache-2.0
"""Convolutions and pools in numpy, of any number of spatial axes (NC first)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..rules.window import paddings, spread

LIMIT = 1 << 24  # elements of windows gathered at a time


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> np.ndarray:
    """Grouped convolution of ``x[N, C, ...]`` with ``weight[O, C/groups, ...]``."""
    rank = x.ndim - 2
    strides, dilation = spread(strides, rank), spread(dilation, rank)
    padded = np.pad(
        x.astype("float64"), [(0, 0), (0, 0), *zip(*paddings(padding, rank), strict=True)]
    )
    windows = _windows(padded, weight.shape[2:], strides, dilation)
    n, channels, *out = windows.shape[: 2 + rank]
    matrix = weight.astype("float64").reshape(groups, weight.shape[0] // groups, -1)
    result = np.empty((n, weight.shape[0], *out))
    per_row = prod(windows.shape) // max(1, out[0])
    step = max(1, LIMIT // max(1, per_row))
    for start in range(0, out[0], step):
        part = windows[:, :, start : start + step]
        rows = part.shape[2 : 2 + rank]
        part = part.reshape(n, groups, channels // groups, prod(rows), -1)
        part = part.transpose(0, 1, 2, 4, 3).reshape(n, groups, -1, prod(rows))
        result[:, :, start : start + step] = (matrix @ part).reshape(n, -1, *rows)
    return result


def transposed_convolve(
    x: np.ndarray,
    weight: np.ndarray,
    strides: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
) -> np.ndarray:
    """Transposed convolution of ``x[N, C, ...]`` with ``weight[C, O/groups, ...]``."""
    rank = x.ndim - 2
    strides, extra = spread(strides, rank), spread(output_padding, rank)
    before, after = paddings(padding, rank)
    kernel, size = weight.shape[2:], x.shape[2:]
    full = [(size[k] - 1) * strides[k] + kernel[k] + extra[k] for k in range(rank)]
    per_group = weight.shape[1]
    out = np.zeros((x.shape[0], groups, per_group, *full))
    source = x.astype("float64").reshape(x.shape[0], groups, -1, prod(size))
    matrix = weight.astype("float64").reshape(groups, -1, *weight.shape[1:])
    for position in product(*(range(n) for n in kernel)):
        taps = matrix[(..., *position)].transpose(0, 2, 1)
        target = tuple(
            slice(p, p + (n - 1) * s + 1, s)
            for p, n, s in zip(position, size, strides, strict=True)
        )
        out[(..., *target)] += (taps @ source).reshape(*out.shape[:3], *size)
    out = out.reshape(x.shape[0], -1, *full)
    # A negative padding adds what nothing reaches.
    more = [(max(0, -b), max(0, -a)) for b, a in zip(before, after, strict=True)]
    out = np.pad(out, [(0, 0), (0, 0), *more])
    sides = zip(before, after, out.shape[2:], strict=True)
    return out[(..., *(slice(max(0, b), n - max(0, a)) for b, a, n in sides))]


def max_pool(x: np.ndarray, attrs: Mapping[str, Any], sizes: Sequence[int]) -> np.ndarray:
    """Maximum of each window."""
    windows, axes, _ = _pool_windows(x.astype("float64"), attrs, sizes, np.finfo("float32").min)
    return windows.max(axes)


def avg_pool(x: np.ndarray, attrs: Mapping[str, Any], sizes: Sequence[int]) -> np.ndarray:
    """Mean of each window, over the image or the padded image."""
    windows, axes, _ = _pool_windows(x.astype("float64"), attrs, sizes, 0)
    ones = np.ones((1, 1, *x.shape[2:]))
    counted, _, _ = _pool_windows(ones, attrs, sizes, 0, bool(attrs["count_include_pad"]))
    return windows.sum(axes) / np.maximum(counted.sum(axes), 1)


def _pool_windows(x, attrs, sizes, fill, count_padding: bool = False):
    rank = x.ndim - 2
    kernel, strides = spread(attrs["pool_size"], rank), spread(attrs["strides"], rank)
    dilation = spread(attrs["dilation"], rank)
    before, after = paddings(attrs["padding"], rank)
    real = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    x = np.pad(x, real, constant_values=1 if count_padding else fill)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    full = [(n - 1) * s + r for n, s, r in zip(sizes, strides, reach, strict=True)]
    more = [(0, max(0, f - n)) for f, n in zip(full, x.shape[2:], strict=True)]
    x = np.pad(x, [(0, 0), (0, 0), *more], constant_values=fill)
    x = x[(..., *(slice(0, f) for f in full))]
    return _windows(x, kernel, strides, dilation), tuple(range(2 + rank, 2 + 2 * rank)), full


def _windows(x, kernel, strides, dilation):
    """All windows of the spatial axes: ``[N, C, outputs..., kernel...]``."""
    rank = x.ndim - 2
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    view = sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
    steps = [slice(None, None, s) for s in strides] + [slice(None, None, d) for d in dilation]
    return view[(slice(None), slice(None), *steps)]
