# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a vector, and of integers of different signs."""

from __future__ import annotations

from tvm import relay

from .node import Node, dtype_of, scalar

#: From int8 to uint8.
LIFT = 128


def matmul(node: Node) -> relay.Expr:
    """``MatMul``: a vector becomes a matrix, and its axis is dropped from the result."""
    left, right = node.inputs[:2]
    ranks = [len(node.shape(k)) for k in (0, 1)]
    if 1 not in ranks or ranks == [1, 1]:
        return node.as_stock(left, right)
    if ranks[1] == 1:  # weights of a dense layer of one feature
        flat = relay.reshape(left, (-1, node.shape(0)[-1]))
        product = relay.nn.dense(flat, relay.expand_dims(right, 0))
        return relay.reshape(product, node.shape(0)[:-1])
    *batch, rows, columns = node.shape(1)
    turned = relay.transpose(right, [*range(len(batch)), len(batch) + 1, len(batch)])
    product = relay.nn.dense(relay.reshape(turned, (-1, rows)), relay.expand_dims(left, 0))
    return relay.reshape(product, (*batch, columns))


def matmul_integer(node: Node) -> relay.Expr:
    """``MatMulInteger``; TVM multiplies integers of one type, so int8 is lifted beside uint8."""
    a, b = node.inputs[:2]
    zeros = [
        scalar(0, node.dtype(k)) if node.input(2 + k) is None else node.inputs[2 + k]
        for k in (0, 1)
    ]
    if node.dtype(0) != node.dtype(1):
        a, b, *zeros = (_unsigned(x) for x in (a, b, *zeros))
    return node.as_stock(a, b, *zeros)


def qlinear_matmul(node: Node) -> relay.Expr:
    """``QLinearMatMul``; scales of 16 bits become such of 32."""
    inputs = list(node.inputs)
    narrow = [k for k in (1, 4, 6) if node.dtype(k) == "float16"]
    if narrow and node.dtype(7) == "int8":
        raise node.error(
            "int8 beyond its range, with scales of float16, is other numbers to the standard's "
            "suite than to engines: give scales of float32"
        )
    for k in narrow:
        inputs[k] = relay.cast(inputs[k], "float32")
    return node.as_stock(*inputs, **node.attributes)


def _unsigned(x: relay.Expr) -> relay.Expr:
    if dtype_of(x) == "uint8":
        return x
    return relay.cast(relay.cast(x, "int16") + scalar(LIFT, "int16"), "uint8")
