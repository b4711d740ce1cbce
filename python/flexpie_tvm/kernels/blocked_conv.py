# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions in NCHW[x]c: sums in a register tile, weights packed by blocks.

The result is computed in tiles of some vectors of output channels by some pixels, whose sums stay
in registers over the whole window and all input channels. Pixels are read as vectors of their
channels, which multiply lane by lane (`tir.lane_reads`).
"""

from __future__ import annotations

import tvm
from tvm import te
from tvm.topi.nn import get_pad_tuple

from .conv_stages import tile_convolution
from .padding import padded
from .register_tile import ConvShape, RegisterTile, cache_blocks, register_tile
from .short_sums import products_of, short_step, summed_up
from .stages import scheduled

TAG = "flexpie_blocked_conv"
#: Windows up to this wide are taken apart into a row of products.
WIDEST_UNROLLED = 7


def blocked_conv(data, kernel, strides, padding, dilation, out_dtype="float32") -> te.Tensor:
    """Compute of ``nn.contrib_conv2d_NCHWc`` for floating point.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``.
    kernel : te.Tensor
        Packed weights ``(O // y, C // x, KH, KW, x, y)``.
    strides, padding, dilation : tuple of int
        As of the operator.
    out_dtype : str
        Of the sums.

    Returns
    -------
    result : te.Tensor
        ``(N, O // y, OH, OW, y)``.
    """
    batch, in_blocks, height, width, in_block = (int(n) for n in data.shape)
    blocks, _, high, wide, _, block = (int(n) for n in kernel.shape)
    spread = (int(dilation[0]), int(dilation[1]))
    spans = (high - 1) * spread[0] + 1, (wide - 1) * spread[1] + 1
    top, left, bottom, right = (int(p) for p in get_pad_tuple(padding, spans))
    down, over = (int(s) for s in strides)
    rows = (height + top + bottom - spans[0]) // down + 1
    columns = (width + left + right - spans[1]) // over + 1
    image = padded(data, (top, left, bottom, right))
    step = short_step(in_blocks, high * wide * in_block, out_dtype)
    c = te.reduce_axis((0, step), "c")
    i = te.reduce_axis((0, in_block), "i")
    kh, kw = te.reduce_axis((0, high), "kh"), te.reduce_axis((0, wide), "kw")

    def term(first, n, o, y, x, b):
        pixel = image[n, first + c, y * down + kh * spread[0], x * over + kw * spread[1], i]
        weight = kernel[o, first + c, kh, kw, i, b]
        return te.sum(pixel.astype(out_dtype) * weight.astype(out_dtype), axis=[c, kh, kw, i])

    shape, attrs = (batch, blocks, rows, columns, block), {"strides": [down, over]}
    if step == in_blocks:
        return te.compute(shape, lambda *at: term(0, *at), "convolution", TAG, attrs)
    short = te.compute(
        (in_blocks // step, *shape), lambda q, *at: term(q * step, *at), "short_sums"
    )
    return summed_up(short, "convolution", TAG, attrs)


def schedule_blocked_conv(
    outs,
    registers: int,
    lanes: int,
    cache: int,
    measured: tuple[RegisterTile, int] | None = None,
) -> te.Schedule:
    """Schedule of `blocked_conv` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    registers, lanes : int
        Vector registers of the target, numbers of one.
    cache : int
        Bytes of the last cache of a board.
    measured : (RegisterTile, int), optional
        A tile and a number of cache blocks to take in place of the predicted ones.
    """

    def place(s: te.Schedule, conv: te.Tensor, out: te.Tensor) -> None:
        tile, blocks = measured or _predicted(conv_shape(conv.op), registers, lanes, cache)
        tile_convolution(s, conv, out, tile, blocks, _unroll_sums)

    return scheduled(outs, TAG, place)


def _predicted(shape: ConvShape, registers: int, lanes: int, cache: int):
    tile = register_tile(shape, registers, lanes)
    return tile, cache_blocks(shape, tile, cache)


def conv_shape(conv: te.ComputeOp) -> ConvShape:
    """What a `blocked_conv` computes."""
    _, blocks, rows, columns, block = (int(n) for n in conv.output(0).shape)
    kernel = products_of(conv).input_tensors[1]
    _, in_blocks, high, wide, in_block, _ = (int(n) for n in kernel.shape)
    strides = tuple(int(n) for n in conv.attrs["strides"])
    itemsize = tvm.DataType(kernel.dtype).bits // 8
    return ConvShape(
        blocks, block, rows, columns, in_blocks, in_block, (high, wide), strides, itemsize
    )


def _unroll_sums(s: te.Schedule, sums: te.Tensor) -> None:
    *_, n, o, y, x, b = s[sums].op.axis
    c, kh, kw, i = s[sums].op.reduce_axis
    s[sums].reorder(n, c, kh, kw, i, o, y, x, b)
    if int(kw.dom.extent) <= WIDEST_UNROLLED:
        s[sums].unroll(kw)
    for axis in (i, o, y, x):
        s[sums].unroll(axis)
    s[sums].vectorize(b)
