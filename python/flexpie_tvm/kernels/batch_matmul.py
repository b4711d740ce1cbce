# SPDX-License-Identifier: Apache-2.0
"""Products of two activations: sums that stay in registers.

TVM's x86 schedule takes tiles of as many rows and columns as the largest powers of two that divide
them, up to 8, and vectors along the depth: 197 columns are computed one by one. Here the second
operand is packed, panel by panel, into whole vectors, and a few rows are multiplied with some of
them. Neither rows nor columns need a divisor: what a tile has too many of is dropped.

Packing takes a step per number where the second operand is transposed. That is too much for few
rows, or a single column. Their sums are vectors along the depth, as TVM's, but are folded.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from tvm import te, tir
from tvm.relay.op import OpStrategy
from tvm.relay.op.strategy.generic import wrap_compute_batch_matmul, wrap_topi_schedule
from tvm.topi.utils import traverse_inline

from ..graph.steps import equal_step, lane_tile, register_tile
from ..machine import VectorUnit
from .padding import MARK
from .target import LIBRARIES

PRODUCT, DOTS = "flexpie_batch_product", "flexpie_batch_dots"
#: Names of the stages.
OWN = ("panel", "sums", "folded")
#: Up to so many rows a transposed operand is not packed.
FEW_ROWS = 8
#: Sums along the depth that are computed together, and columns among them.
DOT_SUMS, DOT_COLUMNS = 8, 4

class _Sizes(NamedTuple):
    """Extents of a product."""

    batch: int
    rows: int
    columns: int
    depth: int


def strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """Our kernel of ``nn.batch_matmul``.

    Parameters
    ----------
    attrs, inputs, out_type, target
        What TVM gives a strategy: operands are ``(B, M, K)`` and ``(B, K, N)``, or transposed.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    strategy : OpStrategy or None
        None for what is not static or of a type that the unit does not compute with, and where
        the target has a library.
    """
    dtype = inputs[0].dtype
    if dtype not in unit.floats or not is_static_float(*inputs, out_type, dtype=dtype):
        return None
    if set(target.libs) & set(LIBRARIES):
        return None
    unit = unit.of(dtype)
    found = OpStrategy()
    found.add_implementation(
        wrap_compute_batch_matmul(partial(batch_product, unit=unit), need_out_dtype=True),
        wrap_topi_schedule(schedule_batch_product),
        name="batch_matmul.flexpie",
    )
    return found


def is_static_float(*tensors, dtype: str = "float32") -> bool:
    """Whether all are of a type and of known shapes."""
    return all(
        t.dtype == dtype and all(isinstance(n, int | tir.IntImm) for n in t.shape)
        for t in tensors
    )


def batch_product(
    a: te.Tensor,
    b: te.Tensor,
    out_shape=None,
    out_dtype="float32",
    transpose_a: bool = False,
    transpose_b: bool = True,
    *,
    unit: VectorUnit,
) -> te.Tensor:
    """Compute of ``nn.batch_matmul`` for static floating point of one type.

    Parameters
    ----------
    a : te.Tensor
        ``(B, M, K)``, or ``(B, K, M)`` if it is transposed; of batch 1 it is shared by all.
    b : te.Tensor
        ``(B, K, N)``, or ``(B, N, K)`` if it is transposed; of batch 1 it is shared by all.
    out_shape, out_dtype
        What TVM gives too; they follow from the operands.
    transpose_a, transpose_b : bool
        As of the operator.
    unit : VectorUnit
        Whose registers hold the sums, with the lanes of the operands' type.

    Returns
    -------
    product : te.Tensor
        ``(B, M, N)``.
    """
    first, second = ([int(n) for n in t.shape] for t in (a, b))
    depth, rows = first[1:] if transpose_a else first[:0:-1]
    columns = second[1] if transpose_b else second[2]
    sizes = _Sizes(max(first[0], second[0]), rows, columns, depth)

    # An operand of batch 1 is shared by all.
    def left(n, y, k):
        n = n if first[0] > 1 else 0
        return a[n, k, y] if transpose_a else a[n, y, k]

    def right(n, k, x):
        n = n if second[0] > 1 else 0
        return b[n, x, k] if transpose_b else b[n, k, x]

    few = columns == 1 or (transpose_b and rows <= FEW_ROWS)
    if few and depth >= unit.lanes and not transpose_a:
        return _dots(left, right, sizes, unit.lanes)
    return _product(left, right, sizes, unit, transpose_b)


def schedule_batch_product(outs) -> te.Schedule:
    """Schedule of `batch_product`, and of what is fused behind it.

    Parameters
    ----------
    outs : list of te.Tensor
        The kernel's one result, ``(B, M, N)``.
    """
    schedule = te.create_schedule([x.op for x in outs])
    found = find(schedule, outs[0].op, (PRODUCT, DOTS))
    if found != outs[0].op:
        schedule[found].compute_inline()
    (_schedule_product if found.tag == PRODUCT else _schedule_dots)(schedule, found, outs[0].op)
    return schedule


def find(schedule: te.Schedule, last: te.Operation, tags: tuple[str, ...]) -> te.ComputeOp | None:
    """The operator with one of the tags; those fused behind it are inlined.

    Parameters
    ----------
    schedule : te.Schedule
        Of the kernel.
    last : te.Operation
        What gives its result.
    tags : tuple of str
        Of computes of ours.

    Returns
    -------
    op : te.ComputeOp or None
        None if there is none in the kernel.
    """
    found = []
    traverse_inline(schedule, last, lambda op: found.append(op) if op.tag in tags else None)
    return found[0] if found else None


def _product(left, right, sizes: _Sizes, unit: VectorUnit, transposed: bool) -> te.Tensor:
    batch, rows, columns, depth = sizes
    lanes = unit.lanes
    step, vectors = (lane_tile if unit.is_arm else register_tile)(rows, columns, unit)
    width = vectors * lanes
    panels, tiles = -(-columns // width), -(-rows // step)

    def packed(n, panel, k, v, lane):
        x = panel * width + v * lanes + lane
        value = right(n, k, x)
        if columns % width == 0:
            return value
        return tir.if_then_else(x < columns, value, tir.const(0.0, value.dtype))

    panel = te.compute((batch, panels, depth, vectors, lanes), packed, "panel")
    k = te.reduce_axis((0, depth), "k")

    def term(n, p, tile, i, v, lane):
        y = tile * step + i if rows % step == 0 else tir.min(tile * step + i, rows - 1)
        return te.sum(left(n, y, k) * panel[n, p, k, v, lane], axis=k)

    sums = te.compute((batch, panels, tiles, step, vectors, lanes), term, "sums")
    return te.compute(
        (batch, rows, columns),
        lambda n, y, x: sums[n, x // width, y // step, y % step, x % width // lanes, x % lanes],
        "product",
        PRODUCT,
        {
            "step": step, "vectors": vectors, "lanes": lanes, "transposed": int(transposed),
            "by_lane": int(unit.is_arm),
        },
    )


def _schedule_product(s: te.Schedule, product: te.ComputeOp, last: te.Operation) -> None:
    (sums,) = product.input_tensors
    panel = next(x for x in sums.op.input_tensors if x.op.name == "panel")
    _inline_copies(s, sums.op, panel.op)
    step, vectors, lanes = (int(product.attrs[x]) for x in ("step", "vectors", "lanes"))
    outer, tile = _tiled(s, last, step, vectors * lanes)
    s[panel].compute_at(s[last], outer)
    if int(product.attrs["transposed"]):
        *_, k, v, lane = s[panel].op.axis
        s[panel].reorder(v, lane, k)  # read as it lies in memory: one stream to fetch ahead
    s[sums].compute_at(s[last], tile)
    *_, i, v, lane = s[sums].op.axis
    (k,) = s[sums].op.reduce_axis
    if int(product.attrs["by_lane"]):  # numbers that are read together (`tir.lane_reads`)
        turn, k = s[sums].split(k, lanes)
        s[sums].reorder(turn, k, i, v, lane)
        s[sums].pragma(turn, MARK)
        s[sums].unroll(k)
    else:
        s[sums].reorder(k, i, v, lane)
    s[sums].unroll(i)
    s[sums].unroll(v)
    s[sums].vectorize(lane)


def _dots(left, right, sizes: _Sizes, lanes: int) -> te.Tensor:
    batch, rows, columns, depth = sizes
    beside = equal_step(columns, DOT_COLUMNS)
    step = equal_step(rows, DOT_SUMS // beside)
    whole = depth // lanes * lanes
    shape = batch, -(-columns // beside), -(-rows // step), step, beside

    def factors(n, block, tile, i, j, k):
        y, x = tir.min(tile * step + i, rows - 1), tir.min(block * beside + j, columns - 1)
        return left(n, y, k) * right(n, k, x)

    k = te.reduce_axis((0, whole // lanes), "k")
    part = te.compute(
        (*shape, lanes),
        lambda *at: te.sum(factors(*at[:-1], k * lanes + at[-1]), axis=k),
        "sums",
    )
    while lanes > 1:
        lanes //= 2
        part = _folded(part, lanes)

    def total(n, y, x):
        at = n, x // beside, y // step, y % step, x % beside
        return sum((factors(*at, k) for k in range(whole, depth)), part[(*at, 0)])

    attrs = {"step": step, "beside": beside}
    return te.compute((batch, rows, columns), total, "product", DOTS, attrs)


def _folded(part: te.Tensor, lanes: int) -> te.Tensor:
    """Vectors of sums, their second half added to the first."""
    return te.compute(
        (*part.shape[:-1], lanes),
        lambda *at: part[at] + part[(*at[:-1], at[-1] + lanes)],
        "folded",
    )


def _schedule_dots(s: te.Schedule, product: te.ComputeOp, last: te.Operation) -> None:
    stages = [next(x for x in product.input_tensors if x.op.name == "folded")]
    while stages[-1].op.name == "folded":
        stages.append(stages[-1].op.input_tensors[0])
    _inline_copies(s, stages[-1].op, product)
    step, beside = (int(product.attrs[x]) for x in ("step", "beside"))
    _, tile = _tiled(s, last, step, beside)
    for stage in reversed(stages):
        s[stage].compute_at(s[last], tile)
        *_, i, j, lane = s[stage].op.axis
        s[stage].reorder(*s[stage].op.reduce_axis, i, j, lane)
        s[stage].unroll(i)
        s[stage].unroll(j)
        s[stage].vectorize(lane)


def _tiled(s: te.Schedule, last: te.Operation, step: int, width: int):
    """Cut the result into tiles; returns the loops over blocks of columns and over tiles."""
    n, y, x = s[last].op.axis
    tile, row = s[last].split(y, step)
    block, column = s[last].split(x, width)
    s[last].reorder(n, block, tile, row, column)
    outer = s[last].fuse(n, block)
    s[last].parallel(outer)
    return outer, tile


def _inline_copies(s: te.Schedule, *readers: te.Operation) -> None:
    """TVM copies an operand that is multiplied with itself."""
    for reader in readers:
        for source in reader.input_tensors:
            if isinstance(source.op, te.ComputeOp) and source.op.name not in OWN:
                s[source].compute_inline()
