# SPDX-License-Identifier: Apache-2.0
"""Kernels in NCHW[x]c built alone, and convolutions in numpy to hold them against."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import tvm
from tvm import te, topi

from flexpie_tvm.kernels.tir.lane_reads import lane_reads
from flexpie_tvm.kernels.tir.whole_tiles import whole_tiles

#: Registers, lanes of NEON; a last cache.
NEON = 32, 4, 1 << 20
ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72"
CONFIG = {
    "tir.disable_cse_tir": True,
    "tir.add_lower_pass": [(1, whole_tiles()), (3, lane_reads())],
}


def compiled(schedule: te.Schedule, args: Sequence[te.Tensor], target: str = "llvm"):
    """The kernel of a schedule."""
    with tvm.transform.PassContext(opt_level=3, config=CONFIG):
        return tvm.build(schedule, args, target=target, name="kernel")


def result(
    kernel, inputs: Sequence[np.ndarray], shape: Sequence[int], dtype: str = "float32"
) -> np.ndarray:
    """What a kernel computes; its memory holds no number before, so that none is left out."""
    out = tvm.nd.array(np.full([int(n) for n in shape], np.nan, dtype))
    kernel(*map(tvm.nd.array, inputs), out)
    return out.numpy()


def fused(conv: te.Tensor, bias: te.Tensor) -> te.Tensor:
    """A convolution with bias and activation behind it, as models have them."""
    return topi.nn.relu(topi.add(conv, bias))


def blocked(image: np.ndarray, block: int) -> np.ndarray:
    """NCHW -> NCHW[x]c."""
    n, c, h, w = image.shape
    return np.ascontiguousarray(image.reshape(n, c // block, block, h, w).transpose(0, 1, 3, 4, 2))


def plain(image: np.ndarray) -> np.ndarray:
    """NCHW[x]c -> NCHW."""
    n, c, h, w, b = image.shape
    return image.transpose(0, 1, 4, 2, 3).reshape(n, c * b, h, w)


def packed(weights: np.ndarray, in_block: int, block: int) -> np.ndarray:
    """OIHW -> OIHW[x]i[y]o."""
    o, i, h, w = weights.shape
    parts = weights.reshape(o // block, block, i // in_block, in_block, h, w)
    return np.ascontiguousarray(parts.transpose(0, 2, 4, 5, 3, 1))


def convolved(image, weights, strides, padding, dilation=(1, 1), depthwise=False) -> np.ndarray:
    """A convolution in double precision, tap by tap."""
    top, left, bottom, right = padding
    image = np.pad(image.astype("float64"), ((0, 0), (0, 0), (top, bottom), (left, right)))
    high, wide = weights.shape[2:]
    rows = (image.shape[2] - (high - 1) * dilation[0] - 1) // strides[0] + 1
    columns = (image.shape[3] - (wide - 1) * dilation[1] - 1) // strides[1] + 1
    total = 0.0
    for y in range(high):
        for x in range(wide):
            down, over = y * dilation[0], x * dilation[1]
            part = image[
                :, :, down : down + rows * strides[0] : strides[0],
                over : over + columns * strides[1] : strides[1],
            ][:, :, :rows, :columns]  # fmt: skip
            tap = weights[:, :, y, x]
            if depthwise:
                total = total + part * tap.reshape(1, -1, 1, 1)
            else:
                total = total + np.einsum("oc,nchw->nohw", tap, part)
    return total


def lane_products(assembly: str, lanes: str = "4s") -> int:
    """Products of a vector and a lane of another one, of ``4s`` or ``8h``."""
    vector = rf"v\d+\.{lanes}"
    return len(re.findall(rf"\bfmla\s+{vector}, {vector}, v\d+\.{lanes[-1]}\[\d\]", assembly))


def spread_numbers(assembly: str) -> int:
    """Numbers that are read alone and spread over a vector."""
    return len(re.findall(r"\bld1r\b", assembly))
