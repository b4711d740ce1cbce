# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions in NCHW[x]c: a vector of channels at a time, all taps in one body.

Each channel has filters of its own, so a vector of channels of a pixel is multiplied by a vector
of weights. A register tile is some rows by some columns of pixels; a pixel that several windows
read is loaded once for all of them.
"""

from __future__ import annotations

from itertools import product

from tvm import te
from tvm.topi.nn import get_pad_tuple

from .padding import MARK, is_padded, padded, schedule_padded
from .stages import scheduled, sums_and_result

TAG = "flexpie_blocked_depthwise"
#: Taps of a window that are taken apart into one body; of larger ones a row at a time.
MOST_TAPS = 25
#: Registers that hold neither sums nor weights: pixels on their way.
PIXELS = 6


def blocked_depthwise(
    data, kernel, strides, padding, dilation, out_dtype="float32", around=0, dtype=None
) -> te.Tensor:
    """Compute of ``nn.contrib_depthwise_conv2d_NCHWc``.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``.
    kernel : te.Tensor
        Packed weights ``(C // x, 1, KH, KW, 1, x)``.
    strides, padding, dilation : tuple of int
        As of the operator.
    out_dtype : str
        Of the sums.
    around : int
        What the image is padded with.
    dtype : str, optional
        Type in which the image is multiplied; the data's by default.

    Returns
    -------
    result : te.Tensor
        ``(N, C // x, OH, OW, x)``.
    """
    batch, blocks, height, width, block = (int(n) for n in data.shape)
    high, wide = (int(n) for n in kernel.shape[2:4])
    spread = (int(dilation[0]), int(dilation[1]))
    spans = (high - 1) * spread[0] + 1, (wide - 1) * spread[1] + 1
    top, left, bottom, right = (int(p) for p in get_pad_tuple(padding, spans))
    down, over = (int(s) for s in strides)
    rows = (height + top + bottom - spans[0]) // down + 1
    columns = (width + left + right - spans[1]) // over + 1
    image = padded(data, (top, left, bottom, right), around, dtype)
    kh, kw = te.reduce_axis((0, high), "kh"), te.reduce_axis((0, wide), "kw")

    def term(n, c, y, x, b):
        pixel = image[n, c, y * down + kh * spread[0], x * over + kw * spread[1], b]
        weight = kernel[c, 0, kh, kw, 0, b]
        return te.sum(pixel.astype(out_dtype) * weight.astype(out_dtype), axis=[kh, kw])

    attrs = {"strides": [down, over]}
    return te.compute((batch, blocks, rows, columns, block), term, "depthwise", TAG, attrs)


def schedule_blocked_depthwise(
    outs, registers: int, measured: tuple[int, int] | None = None
) -> te.Schedule:
    """Schedule of `blocked_depthwise` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    registers : int
        Vector registers of the target.
    measured : (int, int), optional
        Rows and columns of a tile to take in place of the predicted one.
    """

    def place(s: te.Schedule, conv: te.Tensor, out: te.Tensor) -> None:
        _schedule(s, conv, out, measured or _predicted(conv.op, registers))

    return scheduled(outs, TAG, place)


def depthwise_tile(
    rows: int, columns: int, window: tuple[int, int], strides: tuple[int, int], registers: int
) -> tuple[int, int]:
    """Rows and columns of pixels whose sums are in registers, with the fewest loads for each.

    Parameters
    ----------
    rows, columns : int
        Of the result; rows of the tile divide them.
    window, strides : tuple of int
        Rows and columns.
    registers : int
        Vector registers of the target.
    """
    return depthwise_tiles(rows, columns, window, strides, registers)[0]


def depthwise_tiles(
    rows: int, columns: int, window: tuple[int, int], strides: tuple[int, int], registers: int
) -> list[tuple[int, int]]:
    """All tiles that fit the registers, as of `depthwise_tile`; the fewest loads first."""
    high, wide = window
    free = registers - PIXELS

    def work(tile: tuple[int, int]) -> tuple[float, int]:
        total = 0.0
        for count, own in ((columns // tile[1], tile[1]), (1, columns % tile[1])):
            if count and own:
                read = ((tile[0] - 1) * strides[0] + high) * ((own - 1) * strides[1] + wide)
                total += count * (read + high * wide + 4)
        return total / tile[0], -tile[0] * tile[1]

    tiles = [
        (r, c)
        for r, c in product(range(1, rows + 1), range(1, columns + 1))
        if rows % r == 0 and r * c <= max(1, free - wide * min(high, 3))
    ]
    return sorted(tiles, key=work)


def depthwise_extents(conv: te.ComputeOp) -> tuple[int, int, tuple[int, int], tuple[int, int]]:
    """Rows and columns of a `blocked_depthwise`'s result, its window and its strides."""
    rows, columns = (int(n) for n in conv.output(0).shape[2:4])
    window = tuple(int(n) for n in conv.input_tensors[1].shape[2:4])
    return rows, columns, window, tuple(int(n) for n in conv.attrs["strides"])


def _predicted(conv: te.ComputeOp, registers: int) -> tuple[int, int]:
    return depthwise_tile(*depthwise_extents(conv), registers)


def _schedule(s: te.Schedule, conv: te.Tensor, out: te.Tensor, tile: tuple[int, int]) -> None:
    image = conv.op.input_tensors[0]
    _, _, window, _ = depthwise_extents(conv.op)
    sums, out = sums_and_result(s, conv, out)
    n, c, y, x, b = s[out].op.axis
    strip, high = s[out].split(y, factor=tile[0])
    at, wide = s[out].split(x, factor=tile[1])
    s[out].reorder(n, c, strip, at, high, wide, b)
    s[out].parallel(s[out].fuse(n, c))
    s[out].pragma(at, MARK)
    s[out].unroll(high)
    s[out].unroll(wide)
    s[out].vectorize(b)
    s[sums].compute_at(s[out], at)
    _unroll_taps(s, sums, window)
    if is_padded(image):
        s[image].compute_at(s[out], strip)
        schedule_padded(s, image, parallel=False)


def _unroll_taps(s: te.Schedule, sums: te.Tensor, window: tuple[int, int]) -> None:
    n, c, y, x, b = s[sums].op.axis
    kh, kw = s[sums].op.reduce_axis
    s[sums].reorder(n, c, kh, kw, y, x, b)
    if window[0] * window[1] <= MOST_TAPS:
        s[sums].unroll(kh)
    for axis in (kw, y, x):
        s[sums].unroll(axis)
    s[sums].vectorize(b)
