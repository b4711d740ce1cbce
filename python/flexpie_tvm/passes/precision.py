# SPDX-License-Identifier: Apache-2.0
"""A float32 model computes in float16: products, what follows them, and what boards exchange.

TVM's ToMixedPrecision would narrow what it does not know (local responses, logarithms of
softmax), sums of windows, and constants that become infinite. Here an operator is narrowed only if
it is known to bear it:

* products that kernels of ours compute in float16;
* what moves numbers, or makes them of numbers about as large: in float16 behind products;
* `WIDE`: means and functions of bounded results are computed in float32, and then narrowed;
* all others (exp, powers, sums, roots, normalisation) stay in float32 until the next product.

Inputs and results keep their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import tvm
from tvm import relay

from ..errors import InputError
from ..kernels.target import unit_of
from ..machine import DTYPES, FP16, FP32, PRECISIONS
from ..relay.attrs import plain_attrs, with_attrs
from ..relay.precision import with_precision
from ..relay.rewrite import post_order, rewrite, with_body

HALF, SINGLE = DTYPES[FP16], DTYPES[FP32]
#: The largest number of float16.
LARGEST = 65504.0

PRODUCTS = frozenset(("nn.conv2d", "nn.dense", "nn.matmul", "nn.batch_matmul"))
FOLLOWERS = frozenset((
    # arithmetic
    "add", "subtract", "multiply", "maximum", "minimum", "negative", "abs", "nn.bias_add", "clip",
    "nn.relu", "nn.leaky_relu", "nn.prelu", "where",
    # maxima
    "max", "min", "nn.max_pool2d", "nn.global_max_pool2d", "nn.adaptive_max_pool2d",
    # moves
    "concatenate", "copy", "expand_dims", "nn.batch_flatten", "nn.depth_to_space", "nn.pad",
    "nn.space_to_depth", "repeat", "reshape", "reverse", "squeeze", "stack", "strided_slice",
    "take", "tile", "transpose",
))  # fmt: skip
WIDE = frozenset((
    "erf", "mean", "nn.adaptive_avg_pool2d", "nn.avg_pool2d", "nn.global_avg_pool2d", "nn.softmax",
    "sigmoid", "tanh",
))  # fmt: skip


def check_precision(precision: str, targets: Sequence[tvm.target.Target]) -> None:
    """``InputError`` for a precision that there is not, or that a board does not compute in.

    Parameters
    ----------
    precision : {"fp32", "fp16"}
        What is asked for.
    targets : sequence of tvm.target.Target
        Of the boards.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}' is none of {', '.join(PRECISIONS)}")
    for target in targets if precision == FP16 else ():
        unit = unit_of(target)
        if unit is None or not unit.fp16:
            name = str(target.attrs.get("mcpu", "")) or f"target '{target}'"
            raise InputError(
                f"{name} has no fp16 arithmetic: choose fp32, or boards that have it, such as "
                "cortex-a55, cortex-a76, cortex-a78 or neoverse-n1"
            )


def compute_in_half(mod: tvm.IRModule) -> tvm.IRModule:
    """Module of a float32 model -> module that computes in float16.

    Parameters
    ----------
    mod : tvm.IRModule
        Simplified and folded, in NCHW.

    Returns
    -------
    mod : tvm.IRModule
        Of the same inputs and results, with its precision written on it.

    Raises
    ------
    InputError
        If the model computes in float64 or in integers.
    """
    mod = relay.transform.InferType()(mod)
    _check_types(mod["main"])
    narrowed = _Narrowed()
    body = rewrite(mod["main"].body, narrowed.change)
    return with_precision(with_body(mod, narrowed.as_declared(body)), FP16)


def check_not_quantized(mod: tvm.IRModule) -> None:
    """``InputError`` for a model with operators of ``qnn``, as imported."""
    if any(_name(node).startswith("qnn.") for node in post_order(mod["main"].body)):
        raise InputError(
            "the model is quantized, and computes in integers: fp16 is for float32 models"
        )


def _check_types(main: relay.Function) -> None:
    products = [node for node in post_order(main.body) if _name(node) in PRODUCTS]
    for node in [*main.params, *products]:
        kind = node.checked_type
        if isinstance(kind, relay.TensorType) and kind.dtype == "float64":
            what = f"input '{node.name_hint}'" if isinstance(node, relay.Var) else _name(node)
            raise InputError(f"{what} is float64: fp16 is for float32 models")


class _Narrowed:
    """Rewrites operators, and remembers which results are float16 in the place of float32."""

    def __init__(self) -> None:
        self._half: set[relay.Expr] = set()
        self._casts: dict[tuple[relay.Expr, str], relay.Expr] = {}

    def change(self, old: relay.Expr, new: relay.Expr) -> relay.Expr:
        """What stands in the place of an expression over rebuilt operands."""
        if isinstance(new, relay.TupleGetItem) and isinstance(new.tuple_value, relay.Tuple):
            return new.tuple_value.fields[new.index]
        if not isinstance(new, relay.Call):
            return new
        name = _name(old) if _is_single(old) else ""
        follows = name in FOLLOWERS and self._is_behind(old, new)
        if follows or (name in PRODUCTS and _has_kernel(old) and _fit(new.args)):
            return self._narrow(old, new)
        made = _over(new, map(self.as_declared, new.args))
        if name in WIDE and new.args[0] in self._half:
            return self._cast(made, HALF)
        return made

    def as_declared(self, expr: relay.Expr) -> relay.Expr:
        """An operand or a result in the type that the model gives it."""
        if isinstance(expr, relay.Tuple):
            return relay.Tuple(list(map(self.as_declared, expr.fields)), expr.span)
        return self._cast(expr, SINGLE) if expr in self._half else expr

    def _is_behind(self, old: relay.Call, new: relay.Call) -> bool:
        """Whether what is read in float32 is narrowed, but for constants, which fit."""
        pairs = zip(_flat(old.args), _flat(new.args), strict=True)
        read = [made for given, made in pairs if _is_single(given)]
        computed = [made for made in read if not isinstance(made, relay.Constant)]
        return bool(computed) and self._half.issuperset(computed) and _fit(read)

    def _narrow(self, old: relay.Call, new: relay.Call) -> relay.Call:
        made = _narrow_attrs(_over(new, map(self._as_half, old.args, new.args)))
        self._half.add(made)
        return made

    def _as_half(self, old: relay.Expr, new: relay.Expr) -> relay.Expr:
        if isinstance(new, relay.Tuple):
            fields = map(self._as_half, _flat([old]), new.fields)
            return relay.Tuple(list(fields), new.span)
        if not _is_single(old) or new in self._half:
            return new
        if isinstance(new, relay.Constant):
            return relay.const(new.data.numpy().astype(HALF))
        return self._cast(new, HALF)

    def _cast(self, expr: relay.Expr, dtype: str) -> relay.Expr:
        key = expr, dtype
        if key not in self._casts:
            made = self._casts[key] = relay.cast(expr, dtype)
            if dtype == HALF:
                self._half.add(made)
                self._casts[made, SINGLE] = expr
        return self._casts[key]


def _over(call: relay.Call, args: Iterable[relay.Expr]) -> relay.Call:
    args = list(args)
    if all(a.same_as(b) for a, b in zip(args, call.args, strict=True)):
        return call
    return relay.Call(call.op, args, call.attrs, call.type_args, call.span)


def _narrow_attrs(call: relay.Call) -> relay.Call:
    """The call with results of float16, and bounds that are numbers of it."""
    attrs, changes = plain_attrs(call), {}
    if "out_dtype" in attrs:
        changes["out_dtype"] = HALF
    if _name(call) == "clip":
        changes = {k: min(max(attrs[k], -LARGEST), LARGEST) for k in ("a_min", "a_max")}
    return relay.Call(call.op, call.args, with_attrs(call, changes), call.type_args, call.span)


def _has_kernel(call: relay.Call) -> bool:
    """Whether a product is one that kernels of ours compute in float16."""
    kinds = [arg.checked_type for arg in call.args]
    if any(relay.ty.is_dynamic(kind) for kind in kinds):
        return False
    attrs, name = plain_attrs(call), _name(call)
    if name == "nn.batch_matmul":
        return True
    if name != "nn.conv2d":
        constant = isinstance(call.args[1], relay.Constant)
        return constant and len(kinds[0].shape) == 2 and not attrs.get("transpose_a", False)
    if (attrs["data_layout"], attrs["kernel_layout"]) != ("NCHW", "OIHW"):
        return False
    alone = int(kinds[0].shape[1]), int(call.checked_type.shape[1])
    return attrs["groups"] == 1 or alone == (attrs["groups"], attrs["groups"])


def _fit(exprs: Iterable[relay.Expr]) -> bool:
    """Whether the finite numbers of all constants are numbers of float16."""
    values = [x.data.numpy() for x in exprs if isinstance(x, relay.Constant)]
    return all(np.abs(v[np.isfinite(v)]).max(initial=0) <= LARGEST for v in values)


def _flat(args: Iterable[relay.Expr]) -> list[relay.Expr]:
    """Operands, tuples as their fields."""
    return [f for a in args for f in (a.fields if isinstance(a, relay.Tuple) else [a])]


def _is_single(expr: relay.Expr) -> bool:
    kind = expr.checked_type
    return isinstance(kind, relay.TensorType) and kind.dtype == SINGLE


def _name(node: relay.Expr) -> str:
    is_operator = isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op)
    return node.op.name if is_operator else ""
