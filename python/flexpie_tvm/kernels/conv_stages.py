# SPDX-License-Identifier: Apache-2.0
"""Convolutions in NCHW[x]c in blocks of rows for the cache, and those in register tiles."""

from __future__ import annotations

from collections.abc import Callable

from tvm import te

from .padding import MARK, is_padded, schedule_padded
from .register_tile import RegisterTile
from .short_sums import products_of, schedule_short
from .stages import sums_and_result


def tile_convolution(
    s: te.Schedule,
    conv: te.Tensor,
    out: te.Tensor,
    tile: RegisterTile,
    blocks: int,
    unroll: Callable[[te.Schedule, te.Tensor], None],
) -> None:
    """Schedule a convolution's sums, its image and its result.

    Parameters
    ----------
    s : te.Schedule
        In which all behind the convolution is inlined.
    conv, out : te.Tensor
        The sums and the kernel's result, ``(N, O // y, OH, OW, y)``.
    tile : RegisterTile
        Whose accumulators stay in registers.
    blocks : int
        Blocks of rows; the padded image of one is made before it.
    unroll : function of schedule and sums
        Takes the sums of a tile apart.
    """
    products = products_of(conv.op)
    image = products.input_tensors[0]
    sums, out = sums_and_result(s, conv, out)
    block, at = _tile_result(s, out, tile, blocks)
    s[sums].compute_at(s[out], at)
    if products != conv.op:
        schedule_short(s, sums, products.output(0))
        sums = products.output(0)
    unroll(s, sums)
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
