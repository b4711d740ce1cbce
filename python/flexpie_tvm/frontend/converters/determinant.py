# SPDX-License-Identifier: Apache-2.0
"""``Det`` by elimination, rows exchanged so that each column is divided by its largest element."""

from __future__ import annotations

from tvm import relay

from .node import Node, scalar

#: Beyond this the eliminations, written out, are too many operators.
ROWS = 16


def determinant(node: Node) -> relay.Expr:
    """Determinants of the matrices in the last two axes."""
    *batch, rows, columns = node.shape()
    if rows != columns or rows > ROWS:
        raise node.error(f"determinants are of square matrices of up to {ROWS} rows")
    one, zero = scalar(1, node.dtype()), scalar(0, node.dtype())
    rest = relay.reshape(node.inputs[0], (-1, rows, rows))
    result = None
    for size in range(rows, 0, -1):
        pivot = relay.take(rest, scalar(0, "int32"), axis=2)
        place = relay.argmax(relay.abs(pivot), axis=1, keepdims=True)
        place = relay.cast(place, "int32")
        index = relay.arange(scalar(0, "int32"), scalar(size, "int32"), dtype="int32")
        chosen = relay.equal(place, index)  # (matrices, rows)
        chosen = relay.expand_dims(chosen, 2)
        first = relay.sum(relay.where(chosen, rest, relay.zeros_like(rest)), 1, keepdims=True)
        head = relay.reshape(relay.strided_slice(first, [0], [1], axes=[2]), (-1,))
        stays = relay.reshape(relay.equal(place, scalar(0, "int32")), (-1,))
        factor = relay.where(stays, head, relay.negative(head))
        result = factor if result is None else result * factor
        if size == 1:
            break
        # the first row goes where the chosen one was; what is chosen leaves
        moved = relay.where(chosen, relay.strided_slice(rest, [0], [1], axes=[1]), rest)
        below = relay.strided_slice(moved, [1], [size], axes=[1])
        nonzero = relay.where(relay.equal(head, zero), relay.ones_like(head), head)
        share = relay.strided_slice(below, [0], [1], axes=[2]) * relay.reshape(
            one / nonzero, (-1, 1, 1)
        )
        below = below - share * first
        rest = relay.strided_slice(below, [1], [size], axes=[2])
    return relay.reshape(result, tuple(batch))
