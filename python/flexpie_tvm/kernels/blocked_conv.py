# SPDX-License-Identifier: Apache-2.0
"""Direct convolutions in NCHW[x]c: sums in a register tile, weights packed by blocks.

The result is computed in tiles of some vectors of output channels by some pixels, whose sums stay
in registers over the whole window and all input channels. Pixels are read as vectors of their
channels, which multiply lane by lane (`tir.lane_reads`).
"""

from __future__ import annotations

from tvm import te
from tvm.topi.nn import get_pad_tuple
from tvm.topi.utils import traverse_inline

from .padding import MARK, is_padded, padded, schedule_padded
from .register_tile import ConvShape, RegisterTile, cache_blocks, register_tile

TAG = "flexpie_blocked_conv"
#: Windows up to this wide are taken apart into a row of products.
WIDEST_UNROLLED = 7


def blocked_conv(data, kernel, strides, padding, dilation, out_dtype="float32") -> te.Tensor:
    """Compute of ``nn.contrib_conv2d_NCHWc`` for float32.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``.
    kernel : te.Tensor
        Packed weights ``(O // y, C // x, KH, KW, x, y)``.
    strides, padding, dilation : tuple of int
        As of the operator.

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
    c = te.reduce_axis((0, in_blocks), "c")
    i = te.reduce_axis((0, in_block), "i")
    kh, kw = te.reduce_axis((0, high), "kh"), te.reduce_axis((0, wide), "kw")

    def term(n, o, y, x, b):
        pixel = image[n, c, y * down + kh * spread[0], x * over + kw * spread[1], i]
        weight = kernel[o, c, kh, kw, i, b]
        return te.sum(pixel.astype(out_dtype) * weight.astype(out_dtype), axis=[c, kh, kw, i])

    attrs = {"strides": [down, over]}
    return te.compute((batch, blocks, rows, columns, block), term, "convolution", TAG, attrs)


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
    outs = [outs] if isinstance(outs, te.Tensor) else list(outs)
    schedule = te.create_schedule([out.op for out in outs])

    def visit(op: te.Operation) -> None:
        if op.tag == TAG:
            tile, blocks = measured or _predicted(conv_shape(op), registers, lanes, cache)
            _schedule(schedule, op.output(0), outs[0], tile, blocks)

    traverse_inline(schedule, outs[0].op, visit)
    return schedule


def _predicted(shape: ConvShape, registers: int, lanes: int, cache: int):
    tile = register_tile(shape, registers, lanes)
    return tile, cache_blocks(shape, tile, cache)


def conv_shape(conv: te.ComputeOp) -> ConvShape:
    """What a `blocked_conv` computes."""
    _, blocks, rows, columns, block = (int(n) for n in conv.output(0).shape)
    _, in_blocks, high, wide, in_block, _ = (int(n) for n in conv.input_tensors[1].shape)
    strides = tuple(int(n) for n in conv.attrs["strides"])
    return ConvShape(
        blocks, block, rows, columns, in_blocks, in_block, (high, wide), strides
    )  # fmt: skip


def _schedule(
    s: te.Schedule, conv: te.Tensor, out: te.Tensor, tile: RegisterTile, blocks: int
) -> None:
    image = conv.op.input_tensors[0]
    if conv.op in s.outputs:
        sums = s.cache_write(out, "global")
        out = s.outputs[0].output(0)
    else:
        sums = conv
    block, at = _tile_result(s, out, tile, blocks)
    s[sums].compute_at(s[out], at)
    _unroll_sums(s, sums)
    if is_padded(image):
        s[image].compute_at(s[out], block)
        schedule_padded(s, image, parallel=True)


def _tile_result(s: te.Schedule, out: te.Tensor, tile: RegisterTile, blocks: int):
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


def _unroll_sums(s: te.Schedule, sums: te.Tensor) -> None:
    n, o, y, x, b = s[sums].op.axis
    c, kh, kw, i = s[sums].op.reduce_axis
    s[sums].reorder(n, c, kh, kw, i, o, y, x, b)
    if int(kw.dom.extent) <= WIDEST_UNROLLED:
        s[sums].unroll(kw)
    for axis in (i, o, y, x):
        s[sums].unroll(axis)
    s[sums].vectorize(b)
