# SPDX-License-Identifier: Apache-2.0
"""Draws of nodes that go on from an image of a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .draws import Draw, flip, floats, int64, one_of, sizes
from .steps import Step


def _padding(rng: np.random.Generator, kernel: Sequence[int]) -> dict:
    mode = one_of(rng, "pads", "pads", "pads", "none", "SAME_UPPER", "SAME_LOWER", "VALID")
    if mode == "pads":
        return {"pads": [int(rng.integers(0, (k + 1) // 2 + 1)) for k in (*kernel, *kernel)]}
    return {} if mode == "none" else {"auto_pad": mode}


def convolution(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Plain, grouped, depthwise and dilated convolutions with any padding."""
    x = pool[-1]
    channels = x.shape[1]
    groups = one_of(rng, 1, 1, channels, *(g for g in (2, 3) if channels % g == 0))
    wide = groups * int(rng.integers(1, 4))
    kernel = one_of(rng, (1, 1), (3, 3), (3, 3), (2, 3), (5, 1))
    w = floats(rng, wide, channels // groups, *kernel) / np.float32(2)
    padding = _padding(rng, kernel)
    attributes = {"group": groups, "strides": list(sizes(rng, 2, 1, 2))} | padding
    if "auto_pad" not in padding and rng.random() < 0.3:
        attributes["dilations"] = list(sizes(rng, 2, 1, 2))
    return Draw("Conv", [x, w, *([floats(rng, wide)] if flip(rng) else [])], attributes)


def transposed(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Transposed convolutions."""
    x = pool[-1]
    kernel, strides = sizes(rng, 2, 2, 3), sizes(rng, 2, 1, 2)
    w = floats(rng, x.shape[1], int(rng.integers(1, 4)), *kernel) / np.float32(2)
    attributes: dict = {"strides": list(strides), "pads": [int(n) for n in rng.integers(0, 2, 4)]}
    attributes["output_padding"] = [int(rng.integers(0, s)) for s in strides]
    return Draw("ConvTranspose", [x, w], attributes)


def pooling(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Pools with ceil mode, any padding, dilations; or of the whole image."""
    x = pool[-1]
    if rng.random() < 0.15:
        return Draw(one_of(rng, "GlobalAveragePool", "GlobalMaxPool"), [x])
    kind = one_of(rng, "MaxPool", "AveragePool")
    kernel = [min(k, n) for k, n in zip(sizes(rng, 2, 1, 3), x.shape[2:], strict=True)]
    padding = _padding(rng, [k - 1 for k in kernel])
    if "pads" in padding:
        padding["pads"] = [min(p, k - 1) for p, k in zip(padding["pads"], kernel * 2, strict=True)]
    attributes = {"kernel_shape": list(kernel), "strides": list(sizes(rng, 2, 1, 3))} | padding
    if opset >= 10 and "auto_pad" not in padding:
        attributes["ceil_mode"] = one_of(rng, 0, 1)
    if kind == "AveragePool":
        attributes["count_include_pad"] = one_of(rng, 0, 1)
    return Draw(kind, [x], attributes)


def resize(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Images larger and smaller; the kinds of coordinates that networks use."""
    x = pool[-1]
    scales = [1.0, 1.0, *(one_of(rng, 2.0, 2.0, 1.5, 0.5) for _ in range(2))]
    mode = one_of(rng, "nearest", "linear")
    if opset < 9:
        return Draw("Upsample", [x], {"mode": mode, "scales": [1.0, 1.0, 2.0, 2.0]})
    if opset < 10:
        return Draw("Upsample", [x, np.array([1, 1, 2, 2], "float32")], {"mode": mode})
    if opset < 11:
        return Draw("Resize", [x, np.array(scales, "float32")], {"mode": mode})
    places = one_of(rng, "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    attributes = {"mode": mode, "coordinate_transformation_mode": places}
    if mode == "nearest":
        attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    none = np.zeros(0, "float32") if opset < 13 else None
    if flip(rng):
        return Draw("Resize", [x, none, np.array(scales, "float32")], attributes)
    wanted = [max(1, int(n * s)) for n, s in zip(x.shape, scales, strict=True)]
    return Draw("Resize", [x, none, none, int64(wanted)], attributes)


def normalization(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """Normalization of channels, of images, or of groups."""
    x = pool[-1]
    channels = x.shape[1]
    kind = one_of(rng, "BatchNormalization", "BatchNormalization", "InstanceNormalization", "LRN")
    if kind == "LRN":
        return Draw(kind, [x], {"size": one_of(rng, 1, 3), "alpha": 0.1})
    given = [floats(rng, channels) for _ in range(2)]
    if kind == "BatchNormalization":
        given += [floats(rng, channels), np.abs(floats(rng, channels)) + np.float32(0.2)]
    return Draw(kind, [x, *given], {"epsilon": 0.1})


def blocks(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw | None:
    """Channels to places, or back."""
    x = pool[-1]
    if x.shape[1] % 4 == 0:
        mode = {"mode": one_of(rng, "DCR", "CRD")} if opset >= 11 else {}
        return Draw("DepthToSpace", [x], {"blocksize": 2} | mode)
    if x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0:
        return Draw("SpaceToDepth", [x], {"blocksize": 2})
    return None


def slope(rng: np.random.Generator, opset: int, pool: Sequence[np.ndarray]) -> Draw:
    """A slope for each channel."""
    return Draw("PRelu", [pool[-1], floats(rng, pool[-1].shape[1], 1, 1)])


IMAGE: tuple[Step, ...] = (
    convolution, convolution, convolution, transposed, pooling, pooling, resize, normalization,
    blocks, slope,
)  # fmt: skip
