# SPDX-License-Identifier: Apache-2.0
"""Products of integers take kernels and weights of the target that a board has.

Done to what one board computes, as it is compiled: boards of one cluster may multiply in different
ways, and exchange the same tensors.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import tvm
from tvm import relay

from ..kernels.integer_conv import LIFT
from ..kernels.integer_dense import block_of_columns
from ..kernels.integer_operators import CONV, DEPTHWISE, conv, dense
from ..kernels.products import LEAST, Products, products_of
from ..relay.attrs import plain_attrs
from ..relay.rewrite import post_order, rewrite, with_body

CONV_NAME, DEPTHWISE_NAME = "nn.contrib_conv2d_NCHWc", "nn.contrib_depthwise_conv2d_NCHWc"
#: Taps up to which the sums of a depthwise convolution are exact in float32.
MOST_TAPS = 256


def integer_kernels(
    mod: tvm.IRModule, target: tvm.target.Target, weights: Collection[str] = ()
) -> tvm.IRModule:
    """Rewrite convolutions and dense layers of integers with constant weights.

    Parameters
    ----------
    mod : tvm.IRModule
        What is compiled next, laid out in NCHW[x]c.
    target : tvm.target.Target
        Its target.
    weights : collection of str
        Names of parameters that stand for constants.

    Returns
    -------
    mod : tvm.IRModule
        Of equal results, to the last bit.
    """
    mod = relay.transform.InferType()(mod)
    body = mod["main"].body
    rewriter = _Rewriter(target, frozenset(weights), _readers(body))
    return with_body(mod, rewrite(body, rewriter.change))


class _Rewriter:
    """Rewrites products of integers, and remembers what is yet to be added to them."""

    def __init__(self, target, weights: frozenset[str], readers: dict[relay.Expr, int]):
        self._target, self._weights, self._readers = target, weights, readers
        self._lifted: dict[relay.Expr, tuple[relay.Expr, relay.Expr]] = {}

    def change(self, old: relay.Expr, new: relay.Expr) -> relay.Expr:
        """What stands in the place of an operator."""
        if not isinstance(old, relay.Call) or not isinstance(old.op, tvm.ir.Op):
            return new
        if old.op.name == "add":
            return self._added(new)
        own = {CONV_NAME: self._conv, DEPTHWISE_NAME: self._depthwise, "nn.dense": self._dense,
               "nn.conv2d": lambda *_: None}  # fmt: skip
        if old.op.name not in own or not _is_integer(old) or not self._is_weight(new.args[1]):
            return new
        found = own[old.op.name](old, new)
        return _in_float(old, new) if found is None else found

    def _is_weight(self, expr: relay.Expr) -> bool:
        if isinstance(expr, relay.Var):
            return expr.name_hint in self._weights
        return isinstance(expr, relay.Constant)

    def _products(self, old: relay.Call, depth: int) -> Products | None:
        """How to multiply sums of so many products."""
        data, weight = (arg.checked_type.dtype for arg in old.args)
        found = products_of(self._target, weight, data == "int8", _least(old.args[1]))
        if found is not None and found.is_pair and depth % found.together:
            return products_of(self._target, "int16")
        return found

    def _conv(self, old: relay.Call, new: relay.Call) -> relay.Expr | None:
        _, _, high, wide, depth, block = _shape(old.args[1])
        products = self._products(old, depth)
        if products is None or depth % products.together or products.lanes(block) is None:
            return None
        data, attrs, around = _unpadded(new)
        if (high, wide) == (1, 1) and not any(attrs["padding"]) and self._readers[old.args[0]] == 1:
            data = _operand(data, old.args[0].checked_type.dtype, products)
        packed = packed_filters(old, new.args[1], products)
        made = conv(CONV, data, packed, attrs, around, _least(new.args[1]))
        return self._result(made, old, new.args[1], (1, 2, 3, 4), products)

    def _result(self, made, old: relay.Call, weight, axes, products: Products) -> relay.Expr:
        """Products plus what taking 128 from the data took from them."""
        if (old.args[0].checked_type.dtype, products.data) != ("uint8", "int8"):
            return made
        addend = _totals(weight, axes, _shape(old.args[1]))
        sums = relay.add(made, addend)
        self._lifted[sums] = made, addend
        return sums

    def _added(self, new: relay.Call) -> relay.Expr:
        """Join a bias with what is to be added already."""
        made, addend = self._lifted.get(new.args[0], (None, None))
        if not all(isinstance(x, relay.Constant) for x in (addend, new.args[1])):
            return new
        return relay.add(made, relay.const(addend.data.numpy() + new.args[1].data.numpy()))

    def _depthwise(self, old: relay.Call, new: relay.Call) -> relay.Expr | None:
        products = products_of(self._target, "int16")
        _, _, high, wide, _, block = _shape(old.args[1])
        if products is None or products.lanes(block) is None or high * wide > MOST_TAPS:
            return None
        data, attrs, around = _unpadded(new)
        dtype = "int16" if products.together == 1 else "float32"
        return conv(DEPTHWISE, data, _cast(new.args[1], dtype), attrs, around)

    def _dense(self, old: relay.Call, new: relay.Call) -> relay.Expr | None:
        columns, depth = _shape(old.args[1])
        products = self._products(old, depth)
        block = None if products is None else block_of_columns(columns, products)
        if block is None or depth % products.together or len(old.checked_type.shape) != 2:
            return None
        together = products.together
        split = (columns // block, block, depth // together, together)
        packed = _rearranged(new.args[1], split, (0, 2, 1, 3), products.weight)
        data = _operand(new.args[0], old.args[0].checked_type.dtype, products)
        made = dense(data, packed, _least(new.args[1]))
        return self._result(made, old, new.args[1], (1,), products)


def packed_filters(old: relay.Call, weight: relay.Expr, products: Products) -> relay.Expr:
    """``(O, I, KH, KW, i, o)`` -> ``(O, I, KH, KW, i // t, o, t)``, without channels of zeros."""
    *outer, depth, block = _shape(old.args[1])
    if outer[1] == 1 and isinstance(weight, relay.Constant):
        value = weight.data.numpy()
        used = 1 + max(np.flatnonzero(value.any(axis=(0, 1, 2, 3, 5))), default=0)
        depth = -(-used // products.together) * products.together
        weight = relay.const(np.ascontiguousarray(value[..., :depth, :]))
    split = (*outer, depth // products.together, products.together, block)
    return _rearranged(weight, split, (0, 1, 2, 3, 4, 6, 5), products.weight)


def _least(weight: relay.Expr) -> int:
    """A number that no weight is less than: their least, or that of their type."""
    if isinstance(weight, relay.Constant):
        return int(weight.data.numpy().min())
    return LEAST


def _rearranged(weight: relay.Expr, split, order, dtype: str) -> relay.Expr:
    if isinstance(weight, relay.Constant):
        value = weight.data.numpy().reshape(split).transpose(order).astype(dtype)
        return relay.const(np.ascontiguousarray(value))
    return _cast(relay.transpose(relay.reshape(weight, split), order), dtype)


def _cast(weight: relay.Expr, dtype: str) -> relay.Expr:
    if isinstance(weight, relay.Constant):
        return relay.const(weight.data.numpy().astype(dtype))
    return relay.cast(weight, dtype)


def _totals(weight: relay.Expr, axes, shape: tuple[int, ...]) -> relay.Expr:
    """128 times the sum of each filter, as it broadcasts over the result."""
    kept = [shape[0]] if len(shape) == 2 else [1, shape[0], 1, 1, shape[-1]]
    if isinstance(weight, relay.Constant):
        return relay.const(LIFT * weight.data.numpy().sum(axis=axes, dtype="int32").reshape(kept))
    total = relay.sum(relay.cast(weight, "int32"), axes)
    return relay.reshape(relay.multiply(total, relay.const(LIFT)), kept)


def _in_float(old: relay.Call, new: relay.Call) -> relay.Expr:
    """The operator on float32, for targets without an instruction that is known here.

    Exact up to 2**24, which takes some 500 products.
    """
    data, weight = relay.cast(new.args[0], "float32"), _cast(new.args[1], "float32")
    attrs = plain_attrs(old) | {"out_dtype": "float32"}
    if old.op.name == "nn.dense":
        made = relay.nn.dense(data, weight, attrs["units"], "float32")
    elif old.op.name == "nn.conv2d":
        made = relay.nn.conv2d(data, weight, **attrs)
    elif old.op.name == CONV_NAME:
        made = relay.nn.contrib_conv2d_nchwc(data, weight, **attrs)
    else:
        made = relay.nn.contrib_depthwise_conv2d_nchwc(data, weight, **attrs)
    return relay.cast(relay.round(made), "int32")


def _shape(expr: relay.Expr) -> tuple[int, ...]:
    return tuple(int(n) for n in expr.checked_type.shape)


def _is_integer(call: relay.Call) -> bool:
    if len(call.args) != 2 or not isinstance(call.checked_type, tvm.ir.TensorType):
        return False
    data, weight = (getattr(arg.checked_type, "dtype", None) for arg in call.args)
    eight_bits = data in ("uint8", "int8") and weight in ("int8", "int16")
    return eight_bits and call.checked_type.dtype == "int32"


def _operand(data: relay.Expr, dtype: str, products: Products) -> relay.Expr:
    """Data in the type that is multiplied, by an operator that fuses behind what computes them."""
    if dtype == products.data:
        return data
    if (dtype, products.data) == ("uint8", "int8"):
        return relay.reinterpret(relay.bitwise_xor(data, relay.const(LIFT, "uint8")), "int8")
    return relay.cast(data, products.data)


def _unpadded(new: relay.Call) -> tuple[relay.Expr, dict, int]:
    """Data before a padding by one number, the convolution's attributes with it, the number."""
    attrs = plain_attrs(new)
    padding = [int(n) for n in attrs["padding"]]
    attrs["padding"] = padding if len(padding) == 4 else padding * (4 // len(padding))
    data = new.args[0]
    is_pad = isinstance(data, relay.Call) and getattr(data.op, "name", "") == "nn.pad"
    if not is_pad or any(padding) or not isinstance(data.args[1], relay.Constant):
        return data, attrs, 0
    widths = [tuple(int(n) for n in pair) for pair in plain_attrs(data)["pad_width"]]
    inner = any(any(widths[k]) for k in (0, 1, 4))
    if inner or plain_attrs(data).get("pad_mode", "constant") != "constant":
        return data, attrs, 0
    (above, below), (left, right) = widths[2:4]
    attrs["padding"] = [above, left, below, right]
    return data.args[0], attrs, int(data.args[1].data.numpy())


def _readers(body: relay.Expr) -> dict[relay.Expr, int]:
    """How many operators read each expression."""
    readers: dict[relay.Expr, int] = {body: 1}
    for node in post_order(body):
        inputs = node.args if isinstance(node, relay.Call) else getattr(node, "fields", ())
        for read in inputs:
            readers[read] = readers.get(read, 0) + 1
    return readers
