# SPDX-License-Identifier: Apache-2.0
"""Which input elements a resized axis reads, computed as TVM's kernels do (in fp32)."""

from __future__ import annotations

import numpy as np

Taps = tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]

# Where rounding to a pixel hangs on the last bits, the axis is not taken apart.
DOUBT = 2e-6


def find_taps(
    start: int, stop: int, size: int, outputs: int, method: str, mode: str, rounding: str
) -> Taps | None:
    """Low and high input element and the high one's share, for outputs ``[start, stop)``.

    Parameters
    ----------
    start, stop : int
        Outputs asked for.
    size, outputs : int
        Extent of the axis before and after.
    method, mode, rounding : str
        Relay's ``method``, ``coordinate_transformation_mode`` and ``rounding_method``.

    Returns
    -------
    taps : tuple or None
        None if the axis cannot be taken apart.
    """
    place = _positions(size, outputs, mode)
    if place is None:
        return None
    if method == "nearest_neighbor":
        low = _closest(place, rounding or ("round" if mode == "align_corners" else "floor"))
        if low is None:
            return None
        high, part = low, np.zeros(len(low))
    elif method in ("linear", "bilinear", "trilinear"):
        low = np.floor(place)
        high, part = low + 1, place - low
    else:
        return None
    low, high = (np.clip(x, 0, size - 1).astype(int)[start:stop] for x in (low, high))
    return tuple(low.tolist()), tuple(high.tolist()), tuple(part[start:stop].tolist())


def _positions(size: int, outputs: int, mode: str) -> np.ndarray | None:
    o = np.arange(outputs, dtype="float32")
    scale, half = np.float32(size / outputs), np.float32(0.5)
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and outputs > 1):
        return (o + half) * scale - half
    if mode == "align_corners" and outputs > 1:
        return np.float32((size - 1) / (outputs - 1)) * o
    if mode == "asymmetric":
        return scale * o
    if mode == "tf_half_pixel_for_nn":
        return (o + half) * scale
    return None


def _closest(place: np.ndarray, rounding: str) -> np.ndarray | None:
    small, half = np.float32(1e-5), np.float32(0.5)
    shifted = {
        "floor": place + small,
        "ceil": place - small,
        "round": place + half,
        "round_prefer_floor": place - half,
        "round_prefer_ceil": place + half,
    }.get(rounding)
    if shifted is None or np.any(np.abs(shifted - np.round(shifted)) < DOUBT):
        return None
    up = rounding in ("ceil", "round_prefer_floor")
    return np.ceil(shifted) if up else np.floor(shifted)
