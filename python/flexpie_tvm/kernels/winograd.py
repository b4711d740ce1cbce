# SPDX-License-Identifier: Apache-2.0
"""Winograd's minimal filtering F(4x4, 3x3) in NCHW[x]c, for any size of image.

Four by four results of a 3x3 window with stride 1 take 36 products instead of 144 (Lavin and Gray,
arXiv 1509.09308). Patches of 6x6 pixels are transformed, each of the 36 places of a patch becomes a
product of matrices (transformed weights by patches), and the sums are transformed back. Images
that are no whole number of patches are read with zeros behind their end; what lies outside the
result is not written.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import te, tir
from tvm.topi.nn import get_pad_tuple

from .padding import MARK, is_padded, padded, schedule_padded
from .register_tile import ConvShape, RegisterTile, register_tile
from .stages import scheduled
from .winograd_cost import PATCH, RESULTS, WINDOW, patch_blocks

TAG = "flexpie_winograd"
#: The transform of weights, for the points 0, 1, -1, 2, -2 and infinity.
WEIGHTS = np.array([
    [1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1],
])  # fmt: skip


def transform_weights(weights: np.ndarray) -> np.ndarray:
    """Transformed weights of a convolution, once and for all.

    Parameters
    ----------
    weights : np.ndarray
        Packed weights ``(O // y, C // x, 3, 3, x, y)``.

    Returns
    -------
    transformed : np.ndarray
        ``(6, 6, O // y, C // x, x, y)`` of the same type.
    """
    exact = np.einsum("ei,nj,ocijab->enocab", WEIGHTS, WEIGHTS, weights.astype("float64"))
    return np.ascontiguousarray(exact, dtype=weights.dtype)


def winograd_conv(data, weight, padding) -> te.Tensor:
    """Compute of a 3x3 convolution with stride 1 from transformed weights, float32.

    Parameters
    ----------
    data : te.Tensor
        ``(1, C // x, H, W, x)``.
    weight : te.Tensor
        Of `transform_weights`.
    padding : tuple of int
        Above, left, below, right.

    Returns
    -------
    result : te.Tensor
        ``(1, O // y, OH, OW, y)``.
    """
    batch, in_blocks, height, width, in_block = (int(n) for n in data.shape)
    blocks, block = int(weight.shape[2]), int(weight.shape[5])
    top, left, bottom, right = (int(p) for p in get_pad_tuple(padding, (WINDOW, WINDOW)))
    rows, columns = height + top + bottom - 2, width + left + right - 2
    high, wide = -(-rows // RESULTS), -(-columns // RESULTS)
    more = high * RESULTS - rows, wide * RESULTS - columns
    image = padded(data, (top, left, bottom + more[0], right + more[1]))

    def half(e, n, c, y, x, j, b):
        places = (image[n, c, y * RESULTS + i, x * RESULTS + j, b] for i in range(PATCH))
        return _one_of(e, _patch(list(places)))

    halves = te.compute(
        (PATCH, batch, in_blocks, high, wide, PATCH, in_block), half, "half_patches"
    )

    def patch(e, v, n, c, y, x, b):
        return _one_of(v, _patch([halves[e, n, c, y, x, j, b] for j in range(PATCH)]))

    patches = te.compute((PATCH, PATCH, batch, in_blocks, high, wide, in_block), patch, "patches")
    c, i = te.reduce_axis((0, in_blocks), "c"), te.reduce_axis((0, in_block), "i")

    def term(e, v, n, o, y, x, b):
        return te.sum(patches[e, v, n, c, y, x, i] * weight[e, v, o, c, i, b], axis=[c, i])

    products = te.compute((PATCH, PATCH, batch, blocks, high, wide, block), term, "products")

    def half_result(n, o, y, x, r, v, b):
        return _one_of(r, _results([products[e, v, n, o, y, x, b] for e in range(PATCH)]))

    halved = te.compute(
        (batch, blocks, high, wide, RESULTS, PATCH, block), half_result, "half_results"
    )

    def result(n, o, y, x, b):
        at = (n, o, y // RESULTS, x // RESULTS, y % RESULTS)
        return _one_of(x % RESULTS, _results([halved[(*at, v, b)] for v in range(PATCH)]))

    attrs = {"places": [high, wide, in_blocks, in_block]}
    return te.compute((batch, blocks, rows, columns, block), result, "winograd", TAG, attrs)


def _patch(d: Sequence[tir.PrimExpr]) -> list[tir.PrimExpr]:
    """Six pixels of a row or column, transformed."""
    even, odd = d[4] - d[2] * 4.0, d[3] - d[1] * 4.0
    low, high = d[4] - d[2], (d[3] - d[1]) * 2.0
    first = d[0] * 4.0 + d[4] - d[2] * 5.0
    last = d[1] * 4.0 + d[5] - d[3] * 5.0
    return [first, even + odd, even - odd, low + high, low - high, last]


def _results(m: Sequence[tir.PrimExpr]) -> list[tir.PrimExpr]:
    """Four results of six sums."""
    ones, twos = m[1] + m[2], m[3] + m[4]
    one, two = m[1] - m[2], m[3] - m[4]
    return [m[0] + ones + twos, one + two * 2.0, ones + twos * 4.0, one + two * 8.0 + m[5]]


def _one_of(index: tir.PrimExpr, values: list[tir.PrimExpr]) -> tir.PrimExpr:
    """The value of an index that is known when its loop is taken apart."""
    chosen = values[-1]
    for k in reversed(range(len(values) - 1)):
        chosen = tir.if_then_else(index == k, values[k], chosen)
    return chosen


def schedule_winograd(
    outs, registers: int, lanes: int, cache: int, measured: RegisterTile | None = None
) -> te.Schedule:
    """Schedule of `winograd_conv` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    registers, lanes : int
        Vector registers of the target, and what `register_tile` takes as lanes.
    cache : int
        Bytes of the last cache of a board.
    measured : RegisterTile, optional
        A tile of products to take in place of the predicted one.
    """

    def place(s: te.Schedule, conv: te.Tensor, out: te.Tensor) -> None:
        places = product_places(conv.op)
        tile = measured or register_tile(places, registers, lanes)
        strips = places.rows // patch_blocks(places, tile.rows, cache)
        _schedule(s, conv, out, tile, strips)

    return scheduled(outs, TAG, place)


def product_places(conv: te.ComputeOp) -> ConvShape:
    """The products of one of the 36 places of a `winograd_conv`, as of `product_shape`."""
    high, wide, in_blocks, in_block = (int(n) for n in conv.attrs["places"])
    _, blocks, _, _, block = (int(n) for n in conv.output(0).shape)
    return ConvShape(blocks, block, high, wide, in_blocks, in_block)


def _schedule(s, conv, out, tile: RegisterTile, strips: int) -> None:
    halved = conv.op.input_tensors[0]
    products = halved.op.input_tensors[0]
    patches = products.op.input_tensors[0]
    halves = patches.op.input_tensors[0]
    image = halves.op.input_tensors[0]
    if conv.op not in s.outputs:
        s[conv].compute_inline()
    block, at = _schedule_result(s, out, strips)
    _unroll(s, halved, at, out, [4, 5])
    _schedule_products(s, products, out, block, tile)
    _schedule_patches(s, patches, halves, out, block)
    if is_padded(image):
        s[image].compute_at(s[out], block)
        schedule_padded(s, image, parallel=True)


def _schedule_result(s, out, strips: int):
    """The result in blocks of rows of patches, and those patch by patch."""
    n, o, y, x, b = s[out].op.axis
    strip, high = s[out].split(y, factor=RESULTS)
    at, wide = s[out].split(x, factor=RESULTS)
    block, row = s[out].split(strip, factor=strips)
    s[out].reorder(n, block, o, row, at, high, wide, b)
    s[out].parallel(o)
    s[out].pragma(row, MARK)
    s[out].pragma(at, MARK)
    s[out].unroll(high)
    s[out].unroll(wide)
    s[out].vectorize(b)
    return block, at


def _unroll(s, tensor, at, out, axes: Sequence[int]) -> None:
    """Compute a tensor for one patch, its places taken apart and channels as a vector."""
    s[tensor].compute_at(s[out], at)
    for k in axes:
        s[tensor].unroll(s[tensor].op.axis[k])
    s[tensor].vectorize(s[tensor].op.axis[-1])


def _schedule_products(s, products, out, block, tile) -> None:
    """Place by place: its patches stay near, and its weights are read once for all of them."""
    sums = s.cache_write(products, "global")
    s[products].compute_at(s[out], block)
    e, v, n, o, y, x, b = s[products].op.axis
    place = s[products].fuse(e, v)
    turn, vector = s[products].split(o, factor=tile.vectors)
    strip, high = s[products].split(y, factor=tile.rows)
    at, wide = s[products].split(x, factor=tile.columns)
    s[products].reorder(place, n, turn, strip, at, vector, high, wide, b)
    s[products].parallel(place)
    s[products].pragma(at, MARK)
    s[sums].compute_at(s[products], at)
    for axis in (vector, high, wide):
        s[products].unroll(axis)
    s[products].vectorize(b)
    e, v, n, o, y, x, b = s[sums].op.axis
    c, i = s[sums].op.reduce_axis
    s[sums].reorder(e, v, n, c, i, o, y, x, b)
    for axis in (i, o, y, x):
        s[sums].unroll(axis)
    s[sums].vectorize(b)


def _schedule_patches(s, patches, halves, out, block) -> None:
    s[patches].compute_at(s[out], block)
    e, v, n, c, y, x, b = s[patches].op.axis
    s[patches].reorder(n, c, y, x, e, v, b)
    s[patches].parallel(c)
    s[patches].unroll(e)
    s[patches].unroll(v)
    s[patches].vectorize(b)
    s[halves].compute_at(s[patches], x)
    e, _, _, _, _, j, b = s[halves].op.axis
    s[halves].unroll(e)
    s[halves].unroll(j)
    s[halves].vectorize(b)
