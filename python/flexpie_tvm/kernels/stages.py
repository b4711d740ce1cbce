# SPDX-License-Identifier: Apache-2.0
"""What a kernel to be scheduled is made of."""

from __future__ import annotations

from collections.abc import Iterable

import tvm
from tvm import te, tir


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
