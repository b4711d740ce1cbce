# SPDX-License-Identifier: Apache-2.0
"""Products of matrices with packed weights: rows by columns in a register tile.

A step of the reduction takes as many numbers of each row as a vector has lanes; they are read at
once and multiply packed weights lane by lane (`tir.lane_reads`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import tvm
from tvm import te

from .padding import MARK
from .register_tile import FEW_LANES, MOST_LANE_REGISTERS
from .short_sums import NAME, products_of, short_step, summed_up
from .stages import scheduled, sums_and_result

TAG = "flexpie_packed_dense"
#: Vectors of columns and rows that a tile may have at most.
MOST_VECTORS, MOST_ROWS = 8, 14
#: The part of a cache that rows may fill together with the weights of a tile.
CACHE_PART = 0.75
#: Instructions of a sum beside its products, and of a tile and of a step beside those.
PER_SUM, PER_TILE, PER_STEP = 4, 20, 3


@dataclass(frozen=True)
class DenseTile:
    """Rows, blocks of columns and columns of a block whose sums are in registers."""

    rows: int
    blocks: int
    block: int


def dense_tile(rows: int, columns: int, block: int, registers: int, lanes: int) -> DenseTile:
    """The tile of a product with weights in blocks of columns that takes the fewest instructions.

    Parameters
    ----------
    rows, columns : int
        Of the product; blocks of a tile divide the columns' blocks, its rows need not divide.
    block : int
        Columns that are packed together.
    registers, lanes : int
        Vector registers of the target, numbers of one.
    """
    return dense_tiles(rows, columns, block, registers, lanes)[0]


def dense_tiles(rows: int, columns: int, block: int, registers: int, lanes: int) -> list[DenseTile]:
    """All tiles that fit the registers, as of `dense_tile`; the fewest instructions first."""
    vectors = -(-block // lanes)

    def work(tile: DenseTile) -> tuple[float, int]:
        wide = tile.blocks * vectors
        total = 0.0
        for count, own in ((rows // tile.rows, tile.rows), (1, rows % tile.rows)):
            if count and own:
                step = own * wide * lanes + own + wide * lanes / 2 + PER_STEP
                total += count * (step * 64 + own * wide * PER_SUM + PER_TILE)
        return total / wide, -tile.rows * wide

    together = [n for n in range(1, MOST_VECTORS + 1) if columns // block % n == 0]
    most = MOST_LANE_REGISTERS if lanes > FEW_LANES else MOST_ROWS
    tiles = [
        DenseTile(high, blocks, block)
        for high, blocks in product(range(1, min(rows, most) + 1), together)
        if blocks * vectors <= max(MOST_VECTORS, vectors)
        and high * blocks * vectors + high + min(blocks * vectors, 4) <= registers
    ]
    return sorted(tiles or [DenseTile(1, 1, block)], key=work)


def block_of_columns(rows: int, columns: int, registers: int, lanes: int) -> int:
    """Columns that weights are best packed by; zeros are added where no block divides them.

    Parameters
    ----------
    rows, columns : int
        Of the product.
    registers, lanes : int
        Vector registers of the target, numbers of one.
    """

    def work(block: int) -> tuple[float, int]:
        padded = -(-columns // block) * block
        tile = dense_tile(rows, padded, block, registers, lanes)
        vectors = tile.blocks * block // lanes
        loads = (tile.rows + vectors * lanes / 2 + PER_STEP) / (tile.rows * vectors * lanes)
        return (1 + loads) * padded / columns, -block

    return min((lanes * n for n in range(1, 5)), key=work)


def packed_dense(data, weight, out_dtype="float32") -> te.Tensor:
    """Compute of ``nn.contrib_dense_pack`` for floating point.

    Parameters
    ----------
    data : te.Tensor
        ``(M, K)``.
    weight : te.Tensor
        Packed weights ``(N // x, K, x)``.
    out_dtype : str
        Of the sums.

    Returns
    -------
    result : te.Tensor
        ``(M, N)``.
    """
    rows, depth = (int(n) for n in data.shape)
    blocks, _, block = (int(n) for n in weight.shape)
    step = short_step(depth, 1, out_dtype)
    k = te.reduce_axis((0, step), "k")

    def term(first, m, n):
        packed = weight[n // block, first + k, n % block]
        return te.sum(data[m, first + k].astype(out_dtype) * packed.astype(out_dtype), axis=k)

    shape, attrs = (rows, blocks * block), {"block": block}
    if step == depth:
        return te.compute(shape, lambda m, n: term(0, m, n), "dense", TAG, attrs)
    short = te.compute((depth // step, *shape), lambda q, m, n: term(q * step, m, n), NAME)
    return summed_up(short, "dense", TAG, attrs)


def schedule_packed_dense(
    outs, registers: int, lanes: int, cache: int, measured: DenseTile | None = None
) -> te.Schedule:
    """Schedule of `packed_dense` and what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result.
    registers, lanes : int
        Vector registers of the target, numbers of one.
    cache : int
        Bytes of the last cache of a board.
    measured : DenseTile, optional
        A tile to take in place of the predicted one.
    """

    def place(s: te.Schedule, product: te.Tensor, out: te.Tensor) -> None:
        tile = measured or dense_tile(*dense_extents(product.op), registers, lanes)
        _schedule(s, product, out, tile, lanes, cache)

    return scheduled(outs, TAG, place)


def dense_extents(product: te.ComputeOp) -> tuple[int, int, int]:
    """Rows and columns of a `packed_dense`'s product, and columns of a block."""
    rows, columns = (int(n) for n in product.output(0).shape)
    return rows, columns, int(product.attrs["block"])


def _schedule(
    s: te.Schedule, product: te.Tensor, out: te.Tensor, tile: DenseTile, lanes: int, cache: int
) -> None:
    rows, products = int(product.shape[0]), products_of(product.op)
    depth = int(products.input_tensors[0].shape[1])
    sums, out = sums_and_result(s, product, out)
    *_, m, n = s[out].op.axis
    itemsize = tvm.DataType(product.dtype).bits // 8
    step = _rows_together(rows, depth * itemsize, tile, cache)
    outer, inner = s[out].split(m, factor=step)
    at, row = s[out].split(inner, factor=tile.rows)
    turn, column = s[out].split(n, factor=tile.blocks * tile.block)
    s[out].reorder(outer, turn, at, row, column)
    s[out].parallel(turn)
    s[out].pragma(at, MARK)
    _unroll(s, out, (row,), column, lanes)
    s[sums].compute_at(s[out], at)
    if products != product.op:
        (q,) = s[sums].op.reduce_axis
        s[sums].reorder(q, *s[sums].op.axis)
        _unroll(s, sums, s[sums].op.axis[:1], s[sums].op.axis[1], lanes)
        s[products.output(0)].compute_at(s[sums], q)
        sums = products.output(0)
    (k,) = s[sums].op.reduce_axis
    *_, high, wide = s[sums].op.axis
    ko, ki = s[sums].split(k, factor=lanes)
    s[sums].reorder(ko, ki, high, wide)
    if int(k.dom.extent) % lanes:
        s[sums].pragma(ko, MARK)
    _unroll(s, sums, (ki, high), wide, lanes)


def _rows_together(rows: int, row_bytes: int, tile: DenseTile, cache: int) -> int:
    """Rows that all weights are applied to before the next ones: whole tiles that stay near."""
    own_weights = row_bytes * tile.blocks * tile.block
    fitting = int(CACHE_PART * cache - own_weights) // row_bytes
    turns = -(-rows // max(tile.rows, fitting))
    return min(rows, tile.rows * -(-rows // (turns * tile.rows)))


def _unroll(s, tensor, axes, columns, lanes: int) -> None:
    vector, lane = s[tensor].split(columns, factor=lanes)
    for axis in (*axes, vector):
        s[tensor].unroll(axis)
    s[tensor].vectorize(lane)
