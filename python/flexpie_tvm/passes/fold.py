# SPDX-License-Identifier: Apache-2.0
"""Fold constants with numpy.

TVM's FoldConstant compiles and runs a small program for every constant expression, which is
nine tenths of the build time of a convolutional network. The operators that appear on
weights are a handful; numpy evaluates them at once. What numpy does not know is left to TVM.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from tvm import relay

from ..relay.attrs import plain_attrs
from ..relay.rewrite import post_order, rewrite_main
from ..rules import parse_layout

Evaluate = Callable[[dict, list[np.ndarray], tuple[int, ...]], np.ndarray]


def fold_constants(mod: tvm.IRModule) -> tvm.IRModule:
    """Evaluate every call whose operands are constants."""
    mod = rewrite_main(mod, _fold)
    return relay.transform.FoldConstant()(mod) if _has_constant_calls(mod["main"]) else mod


def _fold(old: relay.Expr, new: relay.Expr) -> relay.Expr:
    if not isinstance(new, relay.Call):
        return new
    return fold_call(new, old.checked_type) or new


def fold_call(call: relay.Call, kind: tvm.ir.Type) -> relay.Constant | None:
    """The value of a call of constants, or None if numpy does not know it.

    Parameters
    ----------
    call : relay.Call
        Any call.
    kind : tvm.ir.Type
        Its type.
    """
    if not isinstance(call.op, tvm.ir.Op) or not isinstance(kind, tvm.ir.TensorType):
        return None
    evaluate, operands = EVALUATE.get(call.op.name), _operands(call)
    if evaluate is None or operands is None or relay.ty.is_dynamic(kind):
        return None
    dtype, shape = kind.dtype, tuple(int(n) for n in kind.shape)
    value = evaluate(plain_attrs(call), [c.data.numpy() for c in operands], shape)
    return relay.const(np.ascontiguousarray(value, dtype).reshape(shape), dtype)


def _operands(call: relay.Call) -> list[relay.Constant] | None:
    flat = [f for a in call.args for f in (a.fields if isinstance(a, relay.Tuple) else [a])]
    return flat if flat and all(isinstance(f, relay.Constant) for f in flat) else None


def _has_constant_calls(main: relay.Function) -> bool:
    return any(
        isinstance(node, relay.Call) and _operands(node) is not None
        for node in post_order(main.body)
    )


def relayout(value: np.ndarray, source: str, target: str) -> np.ndarray:
    """Transform between blocked layouts by way of the layout without blocks."""
    old, new = parse_layout(source), parse_layout(target)
    primal = [x for x in old.letters if x.isupper()]
    order = []
    for letter in primal:
        order.append(old.index(letter))
        if old.find(letter.lower()) is not None:
            order.append(old.index(letter.lower()))
    shape = [value.shape[old.index(x)] * old.block(x) for x in primal]
    plain = value.transpose(order).reshape(shape)
    split, position = [], {}
    for letter, size in zip(primal, shape, strict=True):
        position[letter] = len(split)
        split.append(size // new.block(letter))
        if new.find(letter.lower()) is not None:
            position[letter.lower()] = len(split)
            split.append(new.block(letter))
    return plain.reshape(split).transpose([position[x] for x in new.letters])


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return (1 / np.sqrt(x.astype("float64"))).astype(x.dtype)


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a / b if a.dtype.kind == "f" else (np.sign(a) * np.sign(b)) * (abs(a) // abs(b))


def _strided_slice(attrs: dict, x: np.ndarray) -> np.ndarray:
    axes = attrs["axes"] or range(len(attrs["begin"]))
    strides = [*attrs["strides"], *[1] * len(attrs["begin"])]
    slices = [slice(None)] * x.ndim
    for axis, begin, end, stride in zip(axes, attrs["begin"], attrs["end"], strides, strict=False):
        if attrs["slice_mode"] == "size":
            end, stride = (begin + end if end >= 0 else x.shape[axis]), 1
        slices[axis] = slice(begin, end, stride)
    return x[tuple(slices)]


EVALUATE: dict[str, Evaluate] = {
    "add": lambda a, x, s: x[0] + x[1],
    "subtract": lambda a, x, s: x[0] - x[1],
    "multiply": lambda a, x, s: x[0] * x[1],
    "divide": lambda a, x, s: _divide(x[0], x[1]),
    "maximum": lambda a, x, s: np.maximum(x[0], x[1]),
    "minimum": lambda a, x, s: np.minimum(x[0], x[1]),
    "negative": lambda a, x, s: -x[0],
    "sqrt": lambda a, x, s: np.sqrt(x[0]),
    "rsqrt": lambda a, x, s: _rsqrt(x[0]),
    "cast": lambda a, x, s: x[0].astype(a["dtype"]),
    "reshape": lambda a, x, s: x[0].reshape(s),
    "squeeze": lambda a, x, s: x[0].reshape(s),
    "expand_dims": lambda a, x, s: x[0].reshape(s),
    "nn.batch_flatten": lambda a, x, s: x[0].reshape(s),
    "transpose": lambda a, x, s: x[0].transpose(a["axes"] or None),
    "broadcast_to": lambda a, x, s: np.broadcast_to(x[0], s),
    "strided_slice": lambda a, x, s: _strided_slice(a, x[0]),
    "concatenate": lambda a, x, s: np.concatenate(x, a["axis"]),
    "layout_transform": lambda a, x, s: relayout(x[0], a["src_layout"], a["dst_layout"]),
}
