# SPDX-License-Identifier: Apache-2.0
"""What a kernel to be scheduled is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tvm
from tvm import te, tir
from tvm.topi.utils import traverse_inline


def inlined(out: te.Tensor) -> te.Schedule:
    """A schedule in which all that is computed element by element is computed in its place."""
    schedule = te.create_schedule(out.op)
    te.schedule.AutoInlineInjective(schedule)
    return schedule


def scheduled(
    outs, tag: str, place: Callable[[te.Schedule, te.Tensor, te.Tensor], None]
) -> te.Schedule:
    """A schedule of a kernel in which all behind its main stage is computed in its place.

    Parameters
    ----------
    outs : te.Tensor or list of te.Tensor
        The kernel's one result.
    tag : str
        Of the main stage.
    place : function of schedule, main stage, result
        Schedules the main stage and the result.
    """
    outs = [outs] if isinstance(outs, te.Tensor) else list(outs)
    schedule = te.create_schedule([out.op for out in outs])

    def visit(op: te.Operation) -> None:
        if op.tag == tag:
            place(schedule, op.output(0), outs[0])

    traverse_inline(schedule, outs[0].op, visit)
    return schedule


def sums_and_result(s: te.Schedule, sums: te.Tensor, out: te.Tensor) -> tuple[te.Tensor, te.Tensor]:
    """The stage that sums and the one that writes the result; the same one is taken apart."""
    if sums.op not in s.outputs:
        return sums, out
    accumulated = s.cache_write(out, "global")
    return accumulated, s.outputs[0].output(0)


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
