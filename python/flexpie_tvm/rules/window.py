# SPDX-License-Identifier: Apache-2.0
"""Sliding windows along one axis: which inputs a range of outputs reads.

Worked example: a 3-wide window, stride 1, padding 1, on an axis of 56. Outputs [0, 28)
read inputs [-1, 29): inputs [0, 29) with one element of padding before. Outputs [28, 56)
read [27, 57): inputs [27, 56) with one element of padding after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Outputs ``[out_start, out_stop)`` computed from inputs ``[start, stop)``.

    ``before`` and ``after`` are the padding that this part of the axis keeps.
    """

    out_start: int
    out_stop: int
    start: int
    stop: int
    before: int
    after: int


def window_span(
    out_start: int,
    out_stop: int,
    size: int,
    kernel: int,
    stride: int,
    dilation: int = 1,
    padding: int = 0,
) -> Span:
    """Inputs of a convolution or pooling window.

    Parameters
    ----------
    out_start, out_stop : int
        The outputs asked for (at least one).
    size : int
        Extent of the input axis.
    kernel, stride, dilation : int
        The window.
    padding : int
        Padding before the axis.
    """
    reach = (kernel - 1) * dilation + 1
    # Windows that lie in the padding altogether read nothing; widen the range to the
    # nearest output that touches the image, so that a tile never has an empty input.
    last_in_front = (padding - reach) // stride if padding >= reach else -1
    first_touching = last_in_front + 1
    last_touching = (size - 1 + padding) // stride
    out_stop = max(out_stop, first_touching + 1)
    out_start = min(out_start, last_touching)
    low = out_start * stride - padding
    high = (out_stop - 1) * stride - padding + reach
    start, stop = max(0, low), min(size, high)
    return Span(out_start, out_stop, start, stop, start - low, high - stop)


def transposed_span(
    out_start: int,
    out_stop: int,
    size: int,
    kernel: int,
    stride: int,
    dilation: int = 1,
    padding: int = 0,
) -> Span:
    """Inputs of a transposed convolution.

    ``before`` and ``after`` are the padding (cropping) of the tile; a negative ``after``
    is the tile's output padding.
    """
    reach = (kernel - 1) * dilation
    low = -((reach - out_start - padding) // stride)
    low = max(0, min(low, (out_start + padding) // stride, size - 1))
    high = min(size, max((out_stop - 1 + padding) // stride + 1, low + 1))
    origin = low * stride - padding
    end = (high - 1) * stride - padding + reach + 1
    return Span(out_start, out_stop, low, high, out_start - origin, end - out_stop)


def spread(values: Sequence[int] | int, rank: int) -> tuple[int, ...]:
    """One value per spatial axis, from a scalar, a single value or a full list."""
    if isinstance(values, int):
        return (values,) * rank
    return tuple(values) * rank if len(values) == 1 else tuple(values)


def paddings(values: Sequence[int] | int, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding before and after each spatial axis, from any of Relay's short forms."""
    full = spread(values, rank)
    if len(full) == rank:
        return full, full
    return full[:rank], full[rank:]
