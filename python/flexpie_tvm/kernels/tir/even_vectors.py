# SPDX-License-Identifier: Apache-2.0
"""Vectors in kernels over rows that are no whole number of vectors.

TVM's x86 schedule of operators that work element by element, or only move elements, takes a row
in vectors of 16. Where 16 does not divide the row there is a condition around every element, and
the vector becomes a scalar loop: 37 columns take up to 19 times as long as 48. Cut tiles have
such rows. Here the whole vectors lose the condition and a shorter one does the rest.

A vector that reads at divided indices, as resizing to the nearest does, is slow for all rows:
LLVM takes the vector of indices apart. It is left to LLVM to find the vectors in those, unless
there are so many that it would take one element of each, or its lanes are read in few places.
"""

from __future__ import annotations

import tvm
from tvm import tir

from ...machine import VectorUnit
from ..stages import uses
from ..target import current_unit
from .shuffled_reads import bounded, is_shuffled

_WHOLE_VECTORS = {"tir.LoopPartition": {"partition_const_loop": True}}
_DIVISIONS = (tir.Div, tir.Mod, tir.FloorDiv, tir.FloorMod)


def even_vectors() -> tvm.transform.Pass:
    """A pass over kernels for a known vector unit, for ``tir.add_lower_pass``.

    Kernels that unroll loops are left: their schedules choose steps themselves.
    """

    def run(module: tvm.IRModule, _) -> tvm.IRModule:
        unit = current_unit()
        if unit is None:
            return module
        changed = {
            name: _changed(name, function, unit) if isinstance(function, tir.PrimFunc) else function
            for name, function in module.functions.items()
        }
        return tvm.IRModule(changed, attrs=module.attrs)

    return tvm.transform.module_pass(run, opt_level=0, name="EvenVectors")


def _changed(
    name: tvm.ir.GlobalVar, function: tir.PrimFunc, unit: VectorUnit
) -> tir.PrimFunc:
    vectorized, conditional = _survey(function.body)
    if not vectorized:
        return function
    if conditional:
        body = tir.stmt_functor.ir_transform(function.body, None, _once, ["tir.Call"])
        function = function.with_body(body)
        with tvm.transform.PassContext(config=_WHOLE_VECTORS):
            function = tir.transform.LoopPartition()(tvm.IRModule({name: function}))[name]
    bounds = bounded(function.body)

    def long(loop: tir.For) -> tir.For | None:
        kept = _is_long(loop, unit.step) and not _is_shuffled(loop.body, bounds, unit)
        return loop if kept else None

    def parts(loop: tir.For) -> tir.Stmt | None:
        return _parts(loop, bounds, unit)

    body = tir.stmt_functor.ir_transform(function.body, long, parts, ["tir.For"])
    return function.with_body(body)


def _survey(body: tir.Stmt) -> tuple[bool, bool]:
    """Whether loops are vectorized, but none unrolled, and whether a step may be incomplete."""
    vectorized = unrolled = conditional = False

    def visit(node) -> None:
        nonlocal vectorized, unrolled, conditional
        if isinstance(node, tir.For):
            vectorized |= node.kind == tir.ForKind.VECTORIZED
            unrolled |= node.kind == tir.ForKind.UNROLLED
        elif isinstance(node, tir.AttrStmt):
            unrolled |= "unroll" in node.attr_key
        elif isinstance(node, tir.Call):
            conditional |= node.op == tvm.ir.Op.get("tir.likely")

    tir.stmt_functor.post_order_visit(body, visit)
    return vectorized and not unrolled, conditional


def _once(call: tir.Call) -> tir.PrimExpr | None:
    """A condition that is there twice, as where two sums were made one; TVM cuts at single ones."""
    if call.op != tvm.ir.Op.get("tir.likely") or not isinstance(call.args[0], tir.And):
        return None
    both = call.args[0]
    if not tvm.ir.structural_equal(both.a, both.b):
        return None
    return tir.Call(call.dtype, call.op, [both.a])


def _is_long(loop: tir.For, step: int) -> bool:
    """Whether LLVM, were the vectors of a loop taken apart, would or might vectorize the loop."""
    few = isinstance(loop.extent, tir.IntImm) and int(loop.extent) < step
    return _is_vector(loop.body) and not few


def _parts(loop: tir.For, bounds: tvm.arith.Analyzer, unit: VectorUnit) -> tir.Stmt | None:
    """A vector that reads at divided indices in parts: vectors of one step, or elements."""
    if not _is_vector(loop) or not _read_at_divided(loop.body, loop.loop_var):
        return None
    if not _is_shuffled(loop, bounds, unit):
        return tir.For(loop.loop_var, loop.min, loop.extent, tir.ForKind.UNROLLED, loop.body)
    # LLVM would take longer vectors apart, but write them in any order: slow for the caches
    extent, step = int(loop.extent), unit.step
    return tir.stmt_seq(*(_part(loop, k, min(step, extent - k)) for k in range(0, extent, step)))


def _part(loop: tir.For, start: int, extent: int) -> tir.Stmt:
    """So many steps of a loop, in a loop of their own if they are several."""
    if extent == 1:
        return tir.stmt_functor.substitute(loop.body, {loop.loop_var: loop.min + start})
    lane = tir.Var(loop.loop_var.name, loop.loop_var.dtype)
    body = tir.stmt_functor.substitute(loop.body, {loop.loop_var: lane + start})
    return tir.For(lane, loop.min, extent, loop.kind, body)


def _is_vector(loop: tir.Stmt) -> bool:
    return isinstance(loop, tir.For) and loop.kind == tir.ForKind.VECTORIZED


def _is_shuffled(loop: tir.For, bounds: tvm.arith.Analyzer, unit: VectorUnit) -> bool:
    """Whether all that a vector reads at divided indices becomes shuffles."""
    divided = _read_at_divided(loop.body, loop.loop_var)
    return all(is_shuffled(load, loop, bounds, unit) for load in divided)


def _read_at_divided(body: tir.Stmt, var: tir.Var) -> list[tir.BufferLoad]:
    """The reads of which an index is a division of something with ``var``."""
    found: list[tir.BufferLoad] = []

    def divides(index: tir.PrimExpr) -> bool:
        divided = False

        def visit(node) -> None:
            nonlocal divided
            if isinstance(node, _DIVISIONS):
                divided |= uses(node, [var])

        tir.stmt_functor.post_order_visit(index, visit)
        return divided

    def visit(node) -> None:
        if isinstance(node, tir.BufferLoad) and any(map(divides, node.indices)):
            found.append(node)

    tir.stmt_functor.post_order_visit(body, visit)
    return found
