# SPDX-License-Identifier: Apache-2.0
"""Windows of ONNX's pools along an axis.

They begin inside the input or its padding in front, never behind; with ``ceil_mode`` the last one
may reach beyond what is padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNFILLED = (
    "auto_pad with a stride that windows do not fill begins at other elements in engines than in "
    "exporters: give pads"
)


@dataclass(frozen=True)
class Windows:
    """Windows along one axis.

    Parameters
    ----------
    size : int
        Elements of a window.
    stride, dilation : int
        Elements between windows, and between elements of a window.
    before, after : int
        What the model pads.
    count : int
        Number of windows.
    reach : int
        Elements behind the input that the last window has, at least 0.
    """

    size: int
    stride: int
    dilation: int
    before: int
    after: int
    count: int
    reach: int


def windows_of(
    length: int, size: int, stride: int, dilation: int, pads: tuple[int, int], ceil: bool
) -> Windows:
    """Windows along an axis.

    Parameters
    ----------
    length : int
        Elements of the input.
    size, stride, dilation : int
        As of `Windows`.
    pads : tuple of int
        Elements that are padded in front and behind.
    ceil : bool
        Whether a window counts that reaches beyond the padding. Five elements under windows of
        2 with stride 3, none padded, have 2 with it and 2 without: 3 + 2 = 5; six have 3 with it,
        but one that began at element 6 would not count.
    """
    before, after = pads
    free = length + before + after - ((size - 1) * dilation + 1)
    count = (-(-free // stride) if ceil else free // stride) + 1
    if ceil and (count - 1) * stride >= length + before:
        count -= 1
    reach = (count - 1) * stride + (size - 1) * dilation + 1 - length - before
    return Windows(size, stride, dilation, before, after, count, max(reach, 0))


def unfilled(length: int, span: int, stride: int) -> bool:
    """True if a stride leaves two elements or more behind the last window of ``auto_pad``.

    Engines then begin behind the first element, as if they padded less than nothing. Eight
    elements, windows of 1 and a stride of 4: 0 and 4 by the frameworks, 1 and 5 by engines.
    """
    return (-(-length // stride) - 1) * stride + span - length <= -2


def all_windows(sizes: Sequence[int], attributes: Mapping[str, Any]) -> list[Windows]:
    """Windows along each axis that a pool looks along.

    Parameters
    ----------
    sizes : sequence of int
        Elements of the input along these axes.
    attributes : mapping
        The node's, such as ``kernel_shape`` and ``pads``.
    """
    ones = [1] * len(sizes)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    mode, ceil = attributes.get("auto_pad", "NOTSET"), bool(attributes.get("ceil_mode", 0))
    pads = list(attributes.get("pads", [0] * 2 * len(sizes)))
    if mode == "VALID":
        pads = [0] * len(pads)
    found = []
    for k, axis in enumerate(
        zip(sizes, attributes["kernel_shape"], strides, dilations, strict=True)
    ):
        length, size, stride, dilation = axis
        pair = (pads[k], pads[k + len(sizes)])
        if mode.startswith("SAME"):
            count = -(-length // stride)
            total = max((count - 1) * stride + (size - 1) * dilation + 1 - length, 0)
            less, more = total // 2, total - total // 2
            pair = (more, less) if mode == "SAME_LOWER" else (less, more)
        found.append(windows_of(length, size, stride, dilation, pair, ceil))
    return found
