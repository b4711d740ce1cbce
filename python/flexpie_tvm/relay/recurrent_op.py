# SPDX-License-Identifier: Apache-2.0
"""``flexpie.recurrent``: a recurrent network as one call, whose steps are written out inside.

The operator takes a tuple and carries the function that it computes as an attribute. To passes and
to the planner it is one operator, and one layer; where boards' modules are made, and where TVM
builds a whole model (``Legalize``), the function takes its place again, so its kernels are those
that its operators have anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import tvm
from tvm import relay
from tvm.relay.op import op as _op

from ..rules.recurrent import KIND as NAME
from .rewrite import post_order, rewrite, rewrite_main

#: Elements from which on a constant is worth being known as a weight.
WEIGHT = 64
#: TVM's own way to keep its folding from computing an operator that has no kernel.
STATEFUL = "TOpIsStateful"


def register() -> None:
    """Make the operator known to Relay; calling again does nothing."""
    if NAME in tvm.ir.Op.list_op_names():
        return
    _op.register(NAME, "A recurrent network, whose steps are written out in a function.")
    op = _op.get(NAME)
    op.set_num_inputs(1)
    op.add_argument("data", "Tuple", "What the function takes.")
    op.set_support_level(10)
    # no set_attrs_type_key: of attributes of that type the printer writes what no parser reads
    op.add_type_rel("FlexPieRecurrent", lambda args, attrs: attrs["body"].ret_type)
    _op.register_pattern(NAME, _op.OpPattern.OPAQUE)
    _op.register_legalize(NAME, lambda attrs, inputs, types: _as_call(attrs, _fields(*inputs)))
    tvm.ir.register_op_attr(NAME, STATEFUL, True)


def recurrent(operator: str, body: relay.Function, inputs: Sequence[relay.Expr]) -> relay.Call:
    """One call of a function.

    Parameters
    ----------
    operator : str
        What the model calls it, such as ``LSTM``: the layer is named so.
    body : relay.Function
        Static shapes, data flow only, types inferred.
    inputs : sequence of relay.Expr
        What it is called with, one for each parameter.
    """
    attrs = tvm.ir.make_node("DictAttrs", operator=operator, body=body)
    return relay.Call(_op.get(NAME), [relay.Tuple(list(inputs))], attrs)


def is_recurrent(expr: relay.Expr) -> bool:
    """Whether an expression is such a call."""
    return isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name == NAME


def weights_of(body: relay.Function) -> list[relay.Constant]:
    """The constants of a body that are more than a few numbers, always in the same order."""
    return [
        node
        for node in post_order(body.body)
        if isinstance(node, relay.Constant) and prod(node.data.shape) >= WEIGHT
    ]


def inlined(attrs: tvm.ir.Attrs, args: Sequence[relay.Expr]) -> relay.Expr:
    """What a call computes, over other operands.

    Parameters
    ----------
    attrs : tvm.ir.Attrs
        Of the call.
    args : sequence of relay.Expr
        One for each parameter of its function and, if they are given as well, one for each of
        `weights_of`.
    """
    body = attrs["body"]
    given = dict(zip([*body.params, *weights_of(body)][: len(args)], args, strict=True))
    return rewrite(body.body, lambda old, new: given.get(old, new))


def map_bodies(mod: tvm.IRModule, change: Callable[[tvm.IRModule], tvm.IRModule]) -> tvm.IRModule:
    """A module in which a pass has run over each recurrent network's function."""

    def changed(old: relay.Expr, new: relay.Expr) -> relay.Expr:
        if not is_recurrent(new):
            return new
        body = change(tvm.IRModule.from_expr(new.attrs["body"]))["main"]
        return recurrent(str(new.attrs["operator"]), body, _fields(new.args[0]))

    return rewrite_main(mod, changed)


def _as_call(attrs: tvm.ir.Attrs, args: Sequence[relay.Expr]) -> relay.Call:
    """`inlined`; ``Legalize`` takes calls only, so what is none comes out of a copy."""
    found = inlined(attrs, args)
    return found if isinstance(found, relay.Call) else relay.annotation.checkpoint(found)


def _fields(data: relay.Expr) -> list[relay.Expr]:
    """What a tuple holds."""
    if isinstance(data, relay.Tuple):
        return list(data.fields)
    return [relay.TupleGetItem(data, k) for k in range(len(data.checked_type.fields))]
