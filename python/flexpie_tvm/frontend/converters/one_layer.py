# SPDX-License-Identifier: Apache-2.0
"""A node that is written out in many operators, and yet is one layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import tvm
from tvm import relay

from ...passes.fold import fold_constants
from ...relay.recurrent_op import recurrent
from .node import Node


def one_layer(node: Node, write: Callable[[Node], list[relay.Expr]]) -> list[relay.Expr]:
    """All results of a node, from one call.

    Parameters
    ----------
    node : Node
        The node; if all that it reads is constant, its results are written out and so folded.
    write : callable
        What computes the results of a node, in the standard's order.
    """
    read = [
        k for k, x in enumerate(node.inputs) if x is not None and not isinstance(x, relay.Constant)
    ]
    if not read:
        return write(node)
    params = {k: relay.var(f"x{k}", shape=node.shape(k), dtype=node.dtype(k)) for k in read}
    results = write(replace(node, inputs=[params.get(k, x) for k, x in enumerate(node.inputs)]))
    asked = [k for k in range(len(results)) if node.asks(k)] or [0]
    fields = [results[k] for k in asked]
    body = fields[0] if len(fields) == 1 else relay.Tuple(fields)
    function = relay.Function(list(params.values()), body)
    main = fold_constants(tvm.IRModule.from_expr(function))["main"]
    call = recurrent(node.operator, main, [node.inputs[k] for k in read])
    if len(asked) == 1:
        return [call] * len(results)  # nobody reads the others
    items = {k: relay.TupleGetItem(call, place) for place, k in enumerate(asked)}
    return [items.get(k, items[asked[0]]) for k in range(len(results))]
