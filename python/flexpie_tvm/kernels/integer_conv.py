# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions of integers in NCHW[x]c: sums of 32 bits in a register tile.

As `blocked_conv`, but neighbouring input channels are multiplied together (`products`), and data
are copied first where the instruction takes another type than theirs.
"""

from __future__ import annotations

from tvm import te
from tvm.topi.utils import traverse_inline

from .integer_tile import integer_tile
from .padding import MARK, is_padded, padded, schedule_padded
from .products import Products, tensor_intrinsic
from .register_tile import ConvShape, RegisterTile, cache_blocks

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
    outs = [outs] if isinstance(outs, te.Tensor) else list(outs)
    schedule = te.create_schedule([out.op for out in outs])

    def visit(op: te.Operation) -> None:
        if op.tag == TAG:
            shape, lanes = conv_shape(op), products.lanes(int(op.output(0).shape[4]))
            tile = integer_tile(shape, products, lanes, registers)
            blocks = cache_blocks(shape, tile, cache)
            _schedule(schedule, op.output(0), outs[0], tile, blocks, products, lanes)

    traverse_inline(schedule, outs[0].op, visit)
    return schedule


def conv_shape(conv: te.ComputeOp) -> ConvShape:
    """What an `integer_conv` computes; channels that are multiplied together count as one."""
    _, blocks, rows, columns, block = (int(n) for n in conv.output(0).shape)
    _, in_blocks, high, wide, groups, _, _ = (int(n) for n in conv.input_tensors[1].shape)
    strides = tuple(int(n) for n in conv.attrs["strides"])
    return ConvShape(blocks, block, rows, columns, in_blocks, groups, (high, wide), strides)


def _schedule(s, conv, out, tile: RegisterTile, blocks: int, products: Products, lanes: int):
    image = conv.op.input_tensors[0]
    if conv.op in s.outputs:
        sums = s.cache_write(out, "global")
        out = s.outputs[0].output(0)
    else:
        sums = conv
    block, at = tile_result(s, out, tile, blocks)
    s[sums].compute_at(s[out], at)
    _unroll_sums(s, sums, products, lanes)
    if is_padded(image):
        s[image].compute_at(s[out], block)
        schedule_padded(s, image, parallel=True)


def tile_result(s: te.Schedule, out: te.Tensor, tile: RegisterTile, blocks: int):
    """Split the result into blocks of rows for the cache, and those into register tiles."""
    n, o, y, x, b = s[out].op.axis
    step = tile.rows * -(-int(out.shape[2]) // (blocks * tile.rows))
    block, inner = s[out].split(y, factor=step)
    strip, high = s[out].split(inner, factor=tile.rows)
    at, wide = s[out].split(x, factor=tile.columns)
    turn, vector = s[out].split(o, factor=tile.vectors)
    s[out].reorder(n, block, turn, strip, at, vector, high, wide, b)
    s[out].parallel(s[out].fuse(turn, strip))
    s[out].pragma(at, MARK)
    for axis in (vector, high, wide):
        s[out].unroll(axis)
    s[out].vectorize(b)
    return block, at


def _unroll_sums(s: te.Schedule, sums: te.Tensor, products: Products, lanes: int) -> None:
    n, o, y, x, b = s[sums].op.axis
    c, kh, kw, g, i = s[sums].op.reduce_axis
    part, lane = s[sums].split(b, factor=lanes)
    s[sums].reorder(n, c, kh, kw, g, o, part, y, x, lane, i)
    if int(kw.dom.extent) <= WIDEST_UNROLLED:
        s[sums].unroll(kw)
    for axis in (g, o, part, y, x):
        s[sums].unroll(axis)
    if products.together > 1:
        s[sums].tensorize(lane, tensor_intrinsic(products, lanes))
    else:
        s[sums].unroll(i)
        s[sums].vectorize(lane)
