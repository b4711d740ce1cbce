# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a vector."""

from __future__ import annotations

from tvm import relay

from .node import Node


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
