# SPDX-License-Identifier: Apache-2.0
"""Where the elements of a resized axis come from, as the ONNX standard has it.

Source: the operator ``Resize`` of the ONNX standard, opsets 10 to 19.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """How one axis is resized.

    Parameters
    ----------
    length, result : int
        Elements before and after.
    scale : float
        Elements after for each before; it need not be ``result / length``.
    begin, end : float
        The part that ``tf_crop_and_resize`` takes, in units of the axis.
    """

    length: int
    result: int
    scale: float
    begin: float = 0.0
    end: float = 1.0


def coordinates(axis: Axis, mode: str) -> np.ndarray:
    """Place in the input of each element of the result, ``(result,)``.

    Raises
    ------
    KeyError
        If the mode is not one of the standard's.
    """
    # as engines do it: what lies between two elements is decided in single precision
    x = np.arange(axis.result, dtype="float32")
    scale, length, result = np.float32(axis.scale), axis.length, axis.result
    half = np.float32(0.5)
    if mode == "half_pixel":
        return (x + half) / scale - half
    if mode == "half_pixel_symmetric":
        adjust = np.float32(result) / (scale * np.float32(length))
        center = np.float32(length) / 2
        return center * (1 - adjust) + (x + half) / scale - half
    if mode == "pytorch_half_pixel":
        return (x + half) / scale - half if result > 1 else np.zeros_like(x)
    if mode == "tf_half_pixel_for_nn":
        return (x + half) / scale
    if mode == "align_corners":
        return x * np.float32(length - 1) / np.float32(result - 1) if result > 1 else 0 * x
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_crop_and_resize":
        begin, end = np.float32(axis.begin), np.float32(axis.end)
        if result == 1:
            return np.float32([0.5 * (begin + end) * (length - 1)])
        return begin * (length - 1) + x * (end - begin) * (length - 1) / (result - 1)
    raise KeyError(mode)


def nearest(axis: Axis, mode: str, rounding: str) -> np.ndarray:
    """Index of the element that each element of the result copies, ``(result,)``."""
    x = coordinates(axis, mode)
    rounded = {
        "round_prefer_floor": np.ceil(x - np.float32(0.5)),
        "round_prefer_ceil": np.floor(x + np.float32(0.5)),
        "floor": np.floor(x),
        "ceil": np.ceil(x),
    }[rounding]
    return np.clip(rounded.astype("int64"), 0, axis.length - 1)


def weights(
    axis: Axis, mode: str, kind: str, antialias: bool, a: float, exclude_outside: bool
) -> np.ndarray:
    """Share of each element of the input in each of the result, ``(result, length)``.

    Parameters
    ----------
    axis : Axis
        How it is resized.
    mode : str
        The standard's ``coordinate_transformation_mode``.
    kind : str
        ``"linear"`` or ``"cubic"``.
    antialias : bool
        Whether an axis that shrinks is smoothed, by a window that is wider by as much.
    a : float
        The cubic function's coefficient.
    exclude_outside : bool
        Whether elements outside of the input weigh nothing; they stand for the edge otherwise.
    """
    x = coordinates(axis, mode).astype("float64")
    stretch = min(axis.scale, 1.0) if antialias else 1.0
    reach = (1 if kind == "linear" else 2) / stretch
    first = np.floor(x - reach).astype(int)
    offsets = np.arange(int(np.ceil(2 * reach)) + 2)
    places = first[:, None] + offsets
    distance = np.abs(places - x[:, None]) * stretch
    share = np.maximum(1 - distance, 0) if kind == "linear" else _cubic(distance, a)
    outside = (places < 0) | (places >= axis.length)
    if exclude_outside:
        share = np.where(outside, 0, share)
    share = share / share.sum(1, keepdims=True)
    table = np.zeros((axis.result, axis.length))
    rows = np.broadcast_to(np.arange(axis.result)[:, None], places.shape)
    np.add.at(table, (rows, np.clip(places, 0, axis.length - 1)), share)
    return table


def outside(axis: Axis, mode: str) -> np.ndarray:
    """Elements of the result that lie outside of the input, ``(result,)``."""
    x = coordinates(axis, mode)
    return (x < 0) | (x > axis.length - 1)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
