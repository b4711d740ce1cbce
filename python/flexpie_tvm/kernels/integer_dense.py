# SPDX-License-Identifier: Apache-2.0
"""Products of matrices of integers with packed weights: rows by columns in a register tile."""

from __future__ import annotations

from itertools import product

from tvm import te

from .packed_dense import DenseTile
from .padding import MARK
from .products import Products, tensor_intrinsic
from .stages import scheduled

TAG = "flexpie_integer_dense"
#: Vectors of columns and rows that a tile may have at most.
MOST_VECTORS, MOST_ROWS = 6, 12
#: Numbers of a row that are read together, as far as they divide it.
AT_ONCE = 16


def integer_dense(data: te.Tensor, weight: te.Tensor, products: Products) -> te.Tensor:
    """Sums of products of rows and packed columns.

    Parameters
    ----------
    data : te.Tensor
        ``(M, K)`` of the type that is multiplied.
    weight : te.Tensor
        Packed weights ``(N // y, K // t, y, t)`` with ``t`` numbers together.
    products : Products
        How they are multiplied.

    Returns
    -------
    result : te.Tensor
        ``(M, N)``, int32.
    """
    rows = int(data.shape[0])
    blocks, groups, block, together = (int(n) for n in weight.shape)
    g, i = te.reduce_axis((0, groups), "g"), te.reduce_axis((0, together), "i")

    def term(m, o, b):
        number = data[m, g * together + i].astype("int32")
        return te.sum(number * weight[o, g, b, i].astype("int32"), axis=[g, i])

    sums = te.compute((rows, blocks, block), term, "sums", TAG)
    return te.compute(
        (rows, blocks * block), lambda m, n: sums[m, n // block, n % block], "dense", "injective"
    )


def block_of_columns(columns: int, products: Products) -> int | None:
    """Columns that weights are packed by; None if none divides them."""
    lanes = products.lanes(columns)
    if lanes is None:
        return None
    return max(lanes * n for n in (1, 2, 3, 4) if columns % (lanes * n) == 0)


def schedule_integer_dense(outs, products: Products, registers: int) -> te.Schedule:
    """Schedule of `integer_dense` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    products : Products
        How numbers are multiplied.
    registers : int
        Vector registers of the target.
    """

    def place(s: te.Schedule, sums: te.Tensor, out: te.Tensor) -> None:
        _schedule(s, sums, out, products, registers)

    return scheduled(outs, TAG, place)


def dense_tile(rows: int, blocks: int, block: int, products: Products, registers: int) -> DenseTile:
    """Rows and blocks of columns whose sums are in registers, with the fewest loads."""
    vectors = block // products.lanes(block)
    each, others = products.beside

    def work(tile: DenseTile) -> tuple[float, int]:
        wide = tile.blocks * vectors
        steps = sum(
            count * (own * wide + own + wide / 2 + 1)
            for count, own in ((rows // tile.rows, tile.rows), (1, rows % tile.rows))
            if count and own
        )
        return steps / wide, -tile.rows * wide

    tiles = [
        DenseTile(high, deep, block)
        for high, deep in product(range(1, min(rows, MOST_ROWS) + 1), range(1, MOST_VECTORS + 1))
        if blocks % deep == 0
        and deep * vectors <= max(MOST_VECTORS, vectors)
        and high * deep * vectors + high * each + others <= registers
    ]
    return min(tiles or [DenseTile(1, 1, block)], key=work)


def _schedule(s, sums: te.Tensor, out: te.Tensor, products: Products, registers: int) -> None:
    rows, blocks, block = (int(n) for n in sums.shape)
    lanes = products.lanes(block)
    tile = dense_tile(rows, blocks, block, products, registers)
    *_, m, n = s[out].op.axis
    at, row = s[out].split(m, factor=tile.rows)
    turn, column = s[out].split(n, factor=tile.blocks * block)
    vector, lane = s[out].split(column, factor=lanes)
    s[out].reorder(turn, at, row, vector, lane)
    s[out].parallel(turn)
    s[out].pragma(at, MARK)
    s[out].unroll(row)
    s[out].unroll(vector)
    s[out].vectorize(lane)
    s[sums].compute_at(s[out], at)
    high, deep, wide = s[sums].op.axis
    g, i = s[sums].op.reduce_axis
    groups = int(g.dom.extent)
    together = next(k for k in (AT_ONCE // products.together, 2, 1) if groups % k == 0)
    step, few = s[sums].split(g, factor=together)
    few, again = s[sums].split(few, factor=products.successive(together))
    part, lane = s[sums].split(wide, factor=lanes)
    s[sums].reorder(step, few, deep, part, high, again, lane, i)
    for axis in (few, deep, part, high):
        s[sums].unroll(axis)
    if products.together > 1:
        intrinsic = tensor_intrinsic(products, lanes, products.successive(together))
        s[sums].tensorize(again, intrinsic)
    else:
        s[sums].unroll(i)
        s[sums].vectorize(lane)
