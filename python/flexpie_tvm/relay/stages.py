# SPDX-License-Identifier: Apache-2.0
"""What a kernel to be scheduled is made of."""

from __future__ import annotations

from collections.abc import Iterable

from tvm import te, tir


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
