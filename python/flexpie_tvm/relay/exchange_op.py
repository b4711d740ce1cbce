# SPDX-License-Identifier: Apache-2.0
"""``flexpie.exchange``: the point at which a board swaps slices of a tensor with others.

The operator takes a tuple ``(token, owned)`` and gives ``(held, token)``; a board that owns
nothing leaves ``owned`` out, one that needs nothing gets only the token. Tokens chain the
exchanges of a board, so that every board meets them in the same order and none is removed
as dead code. On the board it is one call of the native runtime.

Which exchange of which board it is are attributes, for whoever reads a module. They are made data
before code is (`numbers_as_data`): exchanges of equal shapes are then one kernel, and a plan with
one exchange more has the kernels of the others.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relay, te, tir
from tvm.relay.op import op as _op

from ..graph import Region

NAME = "flexpie.exchange"
TOKEN_SHAPE, TOKEN_DTYPE = (1,), "int32"
_NUMBERS = ("board", "exchange")


def register() -> None:
    """Make the operator known to Relay; calling again does nothing."""
    if NAME in tvm.ir.Op.list_op_names():
        return
    _op.register(NAME, "Swaps slices of a tensor between boards.")
    op = _op.get(NAME)
    op.set_num_inputs(1)
    op.add_argument("data", "Tuple", "The token and, if the board owns any, its part.")
    op.set_support_level(10)
    # no set_attrs_type_key: of attributes of that type the printer writes what no parser reads
    op.add_type_rel("FlexPieExchange", _infer_type)
    _op.register_pattern(NAME, _op.OpPattern.OPAQUE)
    _op.register_strategy(NAME, _strategy())


def token_var() -> relay.Var:
    """The first token of a board: an input, so that no exchange is folded as a constant."""
    return relay.var("flexpie_token", shape=TOKEN_SHAPE, dtype=TOKEN_DTYPE)


def exchange(
    token: relay.Expr, owned: relay.Expr | None, held: Region, dtype: str, board: int, number: int
) -> tuple[relay.Expr | None, relay.Expr]:
    """One exchange on one board.

    Parameters
    ----------
    token : relay.Expr
        Token of the exchange before.
    owned : relay.Expr or None
        What this board owns of the tensor.
    held : Region
        What it needs afterwards.
    dtype : str
        Dtype of the tensor.
    board, number : int
        Rank of the board and id of the exchange.

    Returns
    -------
    held, token : relay.Expr or None, relay.Expr
    """
    parts = [token] if owned is None else [token, owned]
    shape = [] if held.is_empty else [tir.IntImm("int32", n) for n in held.shape]
    # A scalar's shape is as empty as that of nothing.
    scalar = {"scalar": 1} if not shape and not held.is_empty else {}
    attrs = tvm.ir.make_node(
        "DictAttrs", board=board, exchange=number, shape=shape, dtype=dtype, **scalar
    )
    call = relay.Call(_op.get(NAME), [relay.Tuple(parts)], attrs)
    if held.is_empty:
        return None, call
    return relay.TupleGetItem(call, 0), relay.TupleGetItem(call, 1)


def numbers_as_data(expr: relay.Expr) -> relay.Expr:
    """An expression whose exchanges read from a constant which one of which board they are."""
    return _NumbersAsData().visit(expr)


class _NumbersAsData(relay.ExprMutator):
    """Moves rank and id of exchanges from attributes to the second field of what they take."""

    def visit_call(self, call):
        made = super().visit_call(call)
        if made.op != _op.get(NAME) or "exchange" not in made.attrs.keys():
            return made
        numbers = [int(made.attrs[key]) for key in _NUMBERS]
        token, *owned = made.args[0].fields
        fields = [token, relay.const(np.array(numbers, "int32")), *owned]
        kept = {str(key): made.attrs[key] for key in made.attrs.keys() if key not in _NUMBERS}
        attrs = tvm.ir.make_node("DictAttrs", **kept)
        return relay.Call(made.op, [relay.Tuple(fields)], attrs, span=call.span)


def _holds(attrs) -> bool:
    """True if the board holds something after the exchange."""
    return bool(len(attrs["shape"])) or "scalar" in attrs.keys()


def _infer_type(args, attrs):
    token = tvm.ir.TensorType(TOKEN_SHAPE, TOKEN_DTYPE)
    if not _holds(attrs):
        return token
    return tvm.ir.TupleType([tvm.ir.TensorType(list(attrs["shape"]), attrs["dtype"]), token])


def _compute(attrs, inputs, out_type):
    shapes, dtypes = [TOKEN_SHAPE], [TOKEN_DTYPE]
    if _holds(attrs):
        shapes, dtypes = [list(attrs["shape"]), TOKEN_SHAPE], [str(attrs["dtype"]), TOKEN_DTYPE]
    as_data = "exchange" not in attrs.keys()

    def body(ins, outs):
        if as_data:
            token, numbers, *owned = ins
            board, number = (numbers.vload([k]) for k in range(len(_NUMBERS)))
        else:
            token, *owned = ins
            board, number = (int(attrs[key]) for key in _NUMBERS)
        *held, next_token = outs
        return tir.call_packed(NAME, board, number, token, next_token, *owned, *held)

    made = te.extern(shapes, list(inputs), body, dtype=dtypes, name="flexpie_exchange")
    return made if isinstance(made, list) else [made]


def _strategy():
    @tvm.target.override_native_generic_func("flexpie_exchange_strategy")
    def strategy(attrs, inputs, out_type, target):
        strategy = _op.OpStrategy()
        strategy.add_implementation(
            _compute,
            lambda attrs, outs, target: te.create_schedule([t.op for t in outs]),
            name="flexpie_exchange",
        )
        return strategy

    return strategy
