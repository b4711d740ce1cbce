# SPDX-License-Identifier: Apache-2.0
"""Vectors in kernels over rows that are no whole number of vectors.

TVM's x86 schedule of operators that work element by element, or only move elements, takes a row
in vectors of 16. Where 16 does not divide the row there is a condition around every element, and
the vector becomes a scalar loop: 37 columns take up to 19 times as long as 48. Cut tiles have
such rows. Here the whole vectors lose the condition and a shorter one does the rest.

A vector that reads at divided indices, as resizing to the nearest does, is slow for all rows:
LLVM takes the vector of indices apart. It is left to LLVM to find the vectors in those, unless
there are so many that it would take one element of each.
"""

from __future__ import annotations

import tvm
from tvm import tir

from .stages import current_lanes

#: Elements in a vector of TVM's x86 schedule, whatever their type.
STEP = 16

_WHOLE_VECTORS = {"tir.LoopPartition": {"partition_const_loop": True}}
_DIVISIONS = (tir.Div, tir.Mod, tir.FloorDiv, tir.FloorMod)


def vector_steps(extent: int) -> int:
    """In how many vectors a row is computed; the last may be shorter."""
    return -(-extent // STEP)


def even_vectors() -> tvm.transform.Pass:
    """A pass over x86 kernels, for ``tir.add_lower_pass``.

    Kernels that unroll loops are left: their schedules choose steps themselves.
    """

    def run(module: tvm.IRModule, _) -> tvm.IRModule:
        if current_lanes() is None:
            return module
        changed = {
            name: _changed(name, function) if isinstance(function, tir.PrimFunc) else function
            for name, function in module.functions.items()
        }
        return tvm.IRModule(changed, attrs=module.attrs)

    return tvm.transform.module_pass(run, opt_level=0, name="EvenVectors")


def _changed(name: tvm.ir.GlobalVar, function: tir.PrimFunc) -> tir.PrimFunc:
    vectorized, conditional = _survey(function.body)
    if not vectorized:
        return function
    if conditional:
        body = tir.stmt_functor.ir_transform(function.body, None, _once, ["tir.Call"])
        function = function.with_body(body)
        with tvm.transform.PassContext(config=_WHOLE_VECTORS):
            function = tir.transform.LoopPartition()(tvm.IRModule({name: function}))[name]
    body = tir.stmt_functor.ir_transform(function.body, _long, _taken_apart, ["tir.For"])
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


def _long(loop: tir.For) -> tir.For | None:
    """A loop over vectors that LLVM, were they taken apart, would or might vectorize instead."""
    inner = loop.body
    vectors = isinstance(inner, tir.For) and inner.kind == tir.ForKind.VECTORIZED
    few = isinstance(loop.extent, tir.IntImm) and int(loop.extent) < STEP
    return loop if vectors and not few else None


def _taken_apart(loop: tir.For) -> tir.For | None:
    if loop.kind != tir.ForKind.VECTORIZED or not _reads_at_divided(loop.body, loop.loop_var):
        return None
    return tir.For(loop.loop_var, loop.min, loop.extent, tir.ForKind.UNROLLED, loop.body)


def _reads_at_divided(body: tir.Stmt, var: tir.Var) -> bool:
    """Whether an index is a division of something with ``var``."""
    found = False

    def visit_index(node) -> None:
        nonlocal found
        if isinstance(node, _DIVISIONS):
            found |= any(var.same_as(used) for used in tir.analysis.undefined_vars(node))

    def visit(node) -> None:
        if isinstance(node, tir.BufferLoad):
            for index in node.indices:
                tir.stmt_functor.post_order_visit(index, visit_index)

    tir.stmt_functor.post_order_visit(body, visit)
    return found
