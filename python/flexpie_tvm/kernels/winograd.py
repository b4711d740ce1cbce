# SPDX-License-Identifier: Apache-2.0
"""Winograd's minimal filtering F(m x n, 3x3) in NCHW[x]c, for any size of image.

Four by four results of a 3x3 window with stride 1 take 36 products instead of 144 (Lavin and Gray,
arXiv 1509.09308). Patches of 6x6 pixels are transformed, each of the 36 places of a patch becomes a
product of matrices (transformed weights by patches), and the sums are transformed back. Images
that are no whole number of patches are read with zeros behind their end; what lies outside the
result is not written. Patches of fewer results, along one axis or both, fit small tiles better;
the weights' shape says which they are for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import te, tir
from tvm.topi.nn import get_pad_tuple

from .padding import MARK, is_padded, padded, schedule_padded
from .register_tile import ConvShape, RegisterTile, register_tile
from .stages import scheduled
from .winograd_cost import SQUARE, WINDOW, Patch, patch_blocks
from .winograd_transforms import WEIGHTS, pixel_transform, result_transform

TAG = "flexpie_winograd"


def transform_weights(weights: np.ndarray, patch: Patch = SQUARE) -> np.ndarray:
    """Transformed weights of a convolution, once and for all.

    Parameters
    ----------
    weights : np.ndarray
        Packed weights ``(O // y, C // x, 3, 3, x, y)``.
    patch : Patch
        The results of a patch, m rows by n columns.

    Returns
    -------
    transformed : np.ndarray
        ``(m + 2, n + 2, O // y, C // x, x, y)`` of the same type.
    """
    down, over = WEIGHTS[patch.rows], WEIGHTS[patch.columns]
    exact = np.einsum("ei,nj,ocijab->enocab", down, over, weights.astype("float64"))
    return np.ascontiguousarray(exact, dtype=weights.dtype)


def winograd_conv(data, weight, padding) -> te.Tensor:
    """Compute of a 3x3 convolution with stride 1 from transformed weights, float32.

    Parameters
    ----------
    data : te.Tensor
        ``(1, C // x, H, W, x)``.
    weight : te.Tensor
        Of `transform_weights`, whose first two axes are the places of a patch.
    padding : tuple of int
        Above, left, below, right.

    Returns
    -------
    result : te.Tensor
        ``(1, O // y, OH, OW, y)``.
    """
    batch, in_blocks, height, width, in_block = (int(n) for n in data.shape)
    down, over, blocks, block = (int(weight.shape[k]) for k in (0, 1, 2, 5))
    own = Patch(down - 2, over - 2)
    top, left, bottom, right = (int(p) for p in get_pad_tuple(padding, (WINDOW, WINDOW)))
    rows, columns = height + top + bottom - 2, width + left + right - 2
    high, wide = own.number(rows, columns)
    more = high * own.rows - rows, wide * own.columns - columns
    image = padded(data, (top, left, bottom + more[0], right + more[1]))

    def half(e, n, c, y, x, j, b):
        at = n, c, y * own.rows, x * own.columns + j, b
        places = [image[(*at[:2], at[2] + i, *at[3:])] for i in range(down)]
        return _one_of(e, pixel_transform(places))

    halves = te.compute((down, batch, in_blocks, high, wide, over, in_block), half, "half_patches")

    def patch(e, v, n, c, y, x, b):
        return _one_of(v, pixel_transform([halves[e, n, c, y, x, j, b] for j in range(over)]))

    patches = te.compute((down, over, batch, in_blocks, high, wide, in_block), patch, "patches")
    c, i = te.reduce_axis((0, in_blocks), "c"), te.reduce_axis((0, in_block), "i")

    def term(e, v, n, o, y, x, b):
        return te.sum(patches[e, v, n, c, y, x, i] * weight[e, v, o, c, i, b], axis=[c, i])

    products = te.compute((down, over, batch, blocks, high, wide, block), term, "products")

    def half_result(n, o, y, x, r, v, b):
        return _one_of(r, result_transform([products[e, v, n, o, y, x, b] for e in range(down)]))

    halved = te.compute(
        (batch, blocks, high, wide, own.rows, over, block), half_result, "half_results"
    )

    def result(n, o, y, x, b):
        at = (n, o, y // own.rows, x // own.columns, y % own.rows)
        results = result_transform([halved[(*at, v, b)] for v in range(over)])
        return _one_of(x % own.columns, results)

    attrs = {"places": [high, wide, in_blocks, in_block], "patch": [own.rows, own.columns]}
    return te.compute((batch, blocks, rows, columns, block), result, "winograd", TAG, attrs)


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
        strips = places.rows // patch_blocks(places, patch_of(conv.op), tile.rows, cache)
        _schedule(s, conv, out, tile, strips)

    return scheduled(outs, TAG, place)


def patch_of(conv: te.ComputeOp) -> Patch:
    """The results of a patch of a `winograd_conv`."""
    return Patch(*(int(n) for n in conv.attrs["patch"]))


def product_places(conv: te.ComputeOp) -> ConvShape:
    """The products of one of the places of a `winograd_conv`, as of `product_shape`."""
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
    block, at = _schedule_result(s, out, strips, patch_of(conv.op))
    _unroll(s, halved, at, out, [4, 5])
    _schedule_products(s, products, out, block, tile)
    _schedule_patches(s, patches, halves, out, block)
    if is_padded(image):
        s[image].compute_at(s[out], block)
        schedule_padded(s, image, parallel=True)


def _schedule_result(s, out, strips: int, patch: Patch):
    """The result in blocks of rows of patches, and those patch by patch."""
    n, o, y, x, b = s[out].op.axis
    strip, high = s[out].split(y, factor=patch.rows)
    at, wide = s[out].split(x, factor=patch.columns)
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
