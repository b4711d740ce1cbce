# SPDX-License-Identifier: Apache-2.0
"""What a kernel to be scheduled is made of and for, and whose schedule it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tvm
from tvm import te, tir

from .blocking import vector_lanes


def current_lanes() -> int | None:
    """32-bit lanes of the vectors that kernels are being built for; None if not for x86."""
    target = tvm.target.Target.current(allow_none=True)
    return None if target is None else vector_lanes(target)


def or_stock(own: Callable[[te.Tensor], te.Schedule | None], stock: Callable) -> Callable:
    """A schedule of ours for kernels of one tensor on x86; TVM's where it is None, and of others.

    Parameters
    ----------
    own : function of a tensor
        Our schedule of its kernel, or None.
    stock : function of one tensor or several, and maybe of more
        TVM's schedule.

    Returns
    -------
    schedule : function
        What takes the place of ``stock``.
    """

    def schedule(outs, *args) -> te.Schedule:
        tensors = [outs] if isinstance(outs, te.Tensor) else list(outs)
        found = None
        if len(tensors) == 1 and current_lanes() is not None:
            found = own(tensors[0])
        return stock(outs, *args) if found is None else found

    return schedule


def inlined(out: te.Tensor) -> te.Schedule:
    """A schedule in which all that is computed element by element is computed in its place."""
    schedule = te.create_schedule(out.op)
    te.schedule.AutoInlineInjective(schedule)
    return schedule


def bounds_of(op: te.ComputeOp) -> tvm.arith.Analyzer:
    """What is known of the axes of an operation."""
    analyzer = tvm.arith.Analyzer()
    for axis in op.axis:
        analyzer.bind(axis.var, axis.dom)
    return analyzer


def uses(expr: tir.PrimExpr, variables: Iterable[tir.Var]) -> bool:
    """Whether an expression depends on one of some variables."""
    used = tir.analysis.undefined_vars(expr)
    return any(var.same_as(other) for var in variables for other in used)


def stages_of(tensor: te.Tensor) -> list[te.Operation]:
    """All that is computed for a tensor, itself first."""
    found: list[te.Operation] = []

    def visit(op: te.Operation) -> None:
        if not isinstance(op, te.PlaceholderOp) and op not in found:
            found.append(op)
            for source in op.input_tensors:
                visit(source.op)

    visit(tensor.op)
    return found


def loads_of(values: Iterable[tir.PrimExpr]) -> list[tir.ProducerLoad]:
    """What expressions read."""
    found: list[tir.ProducerLoad] = []

    def visit(node) -> None:
        if isinstance(node, tir.ProducerLoad):
            found.append(node)

    for value in values:
        tir.stmt_functor.post_order_visit(value, visit)
    return found
