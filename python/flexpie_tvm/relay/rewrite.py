# SPDX-License-Identifier: Apache-2.0
"""Rebuild a Relay expression bottom-up, without recursion (models are hundreds deep)."""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relay

Rewrite = Callable[[relay.Expr, relay.Expr], relay.Expr]


def post_order(body: relay.Expr) -> list[relay.Expr]:
    """All expressions below ``body``, operands first, each once."""
    nodes: list[relay.Expr] = []
    relay.analysis.post_order_visit(body, nodes.append)
    return nodes


def rewrite(body: relay.Expr, change: Rewrite) -> relay.Expr:
    """Rebuild an expression.

    Parameters
    ----------
    body : relay.Expr
        Calls, tuples, tuple items, variables and constants.
    change : callable
        Gets the old expression and the same one over rebuilt operands; returns what stands
        in its place.
    """
    made: dict[relay.Expr, relay.Expr] = {}
    for node in post_order(body):
        made[node] = change(node, _over(node, made))
    return made[body]


def rewrite_main(mod: tvm.IRModule, change: Rewrite) -> tvm.IRModule:
    """`rewrite` the main function of a module, whose types ``change`` finds inferred."""
    mod = relay.transform.InferType()(mod)
    return with_body(mod, rewrite(mod["main"].body, change))


def with_body(mod: tvm.IRModule, body: relay.Expr) -> tvm.IRModule:
    """A module whose main function has another body, types inferred."""
    main = mod["main"]
    changed = relay.Function(main.params, body, None, main.type_params, main.attrs)
    return relay.transform.InferType()(with_main(mod, changed))


def with_main(mod: tvm.IRModule, main: relay.Function) -> tvm.IRModule:
    """A module with another main function; its other functions and attributes are kept."""
    functions = {**dict(mod.functions.items()), mod.get_global_var("main"): main}
    return tvm.IRModule(functions, mod.type_definitions, attrs=mod.attrs)


def _over(node: relay.Expr, made: dict[relay.Expr, relay.Expr]) -> relay.Expr:
    if isinstance(node, relay.Call):
        args = [made[a] for a in node.args]
        if all(a.same_as(b) for a, b in zip(args, node.args, strict=True)):
            return node
        return relay.Call(node.op, args, node.attrs, node.type_args, node.span)
    if isinstance(node, relay.Tuple):
        return relay.Tuple([made[f] for f in node.fields], node.span)
    if isinstance(node, relay.TupleGetItem):
        return relay.TupleGetItem(made[node.tuple_value], node.index, node.span)
    return node
