# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions of integers in NCHW[x]c: sums of 32 bits in a register tile.

As `blocked_conv`, but neighbouring input channels are multiplied together (`products`), and data
are copied first where the instruction takes another type than theirs.
"""

from __future__ import annotations

from functools import partial

from tvm import te

from .conv_stages import tile_convolution
from .integer_tile import integer_tile
from .padding import padded
from .products import Products, tensor_intrinsic
from .register_tile import ConvShape, cache_blocks
from .stages import scheduled

TAG = "flexpie_integer_conv"
#: Windows up to this wide are taken apart into a row of products.
WIDEST_UNROLLED = 7
#: What int8 lies below the uint8 in whose place it is.
LIFT = 128


def integer_conv(data, kernel, strides, padding, dilation, around: int, products: Products):
    """Sums of products of an image and filters.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``, uint8 or int8.
    kernel : te.Tensor
        Packed weights ``(O // y, C // x, KH, KW, x // t, y, t)`` with ``t`` channels together.
    strides, padding, dilation : tuple of int
        Of two, four (above, left, below, right) and two.
    around : int
        What the image is padded with.
    products : Products
        How they are multiplied. Of uint8 data and int8 products, 128 is taken from all data, those
        around the image too.

    Returns
    -------
    result : te.Tensor
        ``(N, O // y, OH, OW, y)``, int32.
    """
    batch, in_blocks, height, width, _ = (int(n) for n in data.shape)
    blocks, _, high, wide, groups, block, together = (int(n) for n in kernel.shape)
    spans = tuple((n - 1) * d + 1 for n, d in zip((high, wide), dilation, strict=True))
    top, left, bottom, right = padding
    down, over = strides
    rows = (height + top + bottom - spans[0]) // down + 1
    columns = (width + left + right - spans[1]) // over + 1
    image = operand(data, padding, around, products.data)
    c = te.reduce_axis((0, in_blocks), "c")
    g, i = te.reduce_axis((0, groups), "g"), te.reduce_axis((0, together), "i")
    kh, kw = te.reduce_axis((0, high), "kh"), te.reduce_axis((0, wide), "kw")

    def term(n, o, y, x, b):
        at = y * down + kh * dilation[0], x * over + kw * dilation[1], g * together + i
        pixel, weight = image[(n, c, *at)], kernel[o, c, kh, kw, g, b, i]
        return te.sum(pixel.astype("int32") * weight.astype("int32"), axis=[c, kh, kw, g, i])

    attrs = {"strides": [down, over]}
    return te.compute((batch, blocks, rows, columns, block), term, "convolution", TAG, attrs)


def operand(data: te.Tensor, padding, around: int, dtype: str) -> te.Tensor:
    """The padded image in the type in which it is multiplied."""
    lower = LIFT if (data.dtype, dtype) == ("uint8", "int8") else 0
    return padded(data, padding, around, dtype, lower)


def schedule_integer_conv(outs, products: Products, registers: int, cache: int) -> te.Schedule:
    """Schedule of `integer_conv` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    products : Products
        How numbers are multiplied.
    registers : int
        Vector registers of the target.
    cache : int
        Bytes of the last cache of a board.
    """

    def place(s: te.Schedule, conv: te.Tensor, out: te.Tensor) -> None:
        shape, lanes = conv_shape(conv.op), products.lanes(int(conv.shape[4]))
        tile = integer_tile(shape, products, lanes, registers)
        blocks = cache_blocks(shape, tile, cache)
        unroll = partial(_unroll_sums, products=products, lanes=lanes)
        tile_convolution(s, conv, out, tile, blocks, unroll)

    return scheduled(outs, TAG, place)


def conv_shape(conv: te.ComputeOp) -> ConvShape:
    """What an `integer_conv` computes; channels that are multiplied together count as one."""
    _, blocks, rows, columns, block = (int(n) for n in conv.output(0).shape)
    _, in_blocks, high, wide, groups, _, _ = (int(n) for n in conv.input_tensors[1].shape)
    strides = tuple(int(n) for n in conv.attrs["strides"])
    return ConvShape(blocks, block, rows, columns, in_blocks, groups, (high, wide), strides)


def _unroll_sums(s: te.Schedule, sums: te.Tensor, products: Products, lanes: int) -> None:
    n, o, y, x, b = s[sums].op.axis
    c, kh, kw, g, i = s[sums].op.reduce_axis
    steps = products.successive(int(g.dom.extent))
    g, step = s[sums].split(g, factor=steps)
    part, lane = s[sums].split(b, factor=lanes)
    s[sums].reorder(n, c, kh, kw, g, o, part, y, x, step, lane, i)
    if int(kw.dom.extent) <= WIDEST_UNROLLED:
        s[sums].unroll(kw)
    for axis in (g, o, part, y, x):
        s[sums].unroll(axis)
    if products.together > 1:
        s[sums].tensorize(step, tensor_intrinsic(products, lanes, steps))
    else:
        s[sums].unroll(i)
        s[sums].vectorize(lane)
