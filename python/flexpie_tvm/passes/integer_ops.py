# SPDX-License-Identifier: Apache-2.0
"""What quantized operators become: plain ones on integers, and float32 between them.

A function of `LOWERED` gets the forms of what was lowered before, the operator as it was, typed,
and the same over lowered operands. It returns None for what it leaves to TVM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from tvm import relay

from ..relay.attrs import plain_attrs
from .integer_products import integer_conv, integer_dense
from .number_forms import LIFT, NumberForms
from .requantize import column, number

Lowered = Callable[[NumberForms, relay.Call, relay.Call], relay.Expr | None]


def _quantize(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    steps = relay.divide(new.args[0], _parameter(old, new, 1))
    return forms.stored(steps, _parameter(old, new, 2), old.checked_type.dtype)


def _dequantize(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr:
    data = forms.real(old.args[0], new.args[0], _parameter(old, new, 2))
    return relay.multiply(data, _parameter(old, new, 1))


def _requantize(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    data = forms.real(old.args[0], new.args[0], _parameter(old, new, 2))
    step = _ratio(_parameter(old, new, 1), new.args[3])
    zero = _parameter(old, new, 4)
    return forms.stored(relay.multiply(data, step), zero, old.checked_type.dtype)


def _conv2d(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    data, zero = forms.read(new.args[0], new.args[2])
    return _corrected(forms, integer_conv(old, data, new.args[1], zero, new.args[3]))


def _dense(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    data, zero = forms.read(new.args[0], new.args[2])
    found = _corrected(forms, integer_dense(old, data, new.args[1], zero, new.args[3]))
    return _product(relay.nn.dense)(forms, old, new) if found is None else found


def _product(real_product: Callable[..., relay.Expr]) -> Lowered:
    """Products of two computed matrices, in float32."""

    def lowered(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
        zeros = [column(new.args[k], 0, 1) for k in (2, 3)]
        if any(number(zero) is not None and number(zero).size != 1 for zero in zeros):
            return None
        reals = [forms.real(old.args[k], new.args[k], zeros[k]) for k in (0, 1)]
        return forms.mean(real_product(*reals))

    return lowered


def _corrected(forms: NumberForms, found) -> relay.Expr | None:
    if found is None:
        return None
    product, addend = found
    if isinstance(addend, np.ndarray):
        return forms.sums(product, addend)
    return relay.add(product, addend)


def _bias_add(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    rank = len(old.checked_type.shape)
    return forms.biased(new.args[0], column(new.args[1], plain_attrs(old)["axis"], rank))


def _add(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    return forms.biased(*new.args)


def _sum(sign: int) -> Lowered:
    """Sum or difference of two tensors, each of a scale and zero point of its own."""

    def lowered(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
        values = [number(arg) for arg in new.args[2:]]
        if any(value is None or value.size != 1 for value in values):
            return None
        (scale, zero), *inputs = reversed(list(zip(values[::2], values[1::2], strict=True)))
        total, constant = [], 0.0
        for data, (own, own_zero), side in zip(new.args, reversed(inputs), (1, sign), strict=False):
            step = np.float32(side * own.item() / scale.item())
            constant -= float(step) * (own_zero.item() + (LIFT if forms.is_lifted(data) else 0))
            total.append(relay.multiply(relay.cast(data, "float32"), relay.const(step)))
        steps = relay.add(relay.add(total[0], relay.const(np.float32(constant))), total[1])
        return forms.stored(steps, relay.const(np.int32(zero.item())), old.checked_type.dtype)

    return lowered


def _mul(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    values = [number(arg) for arg in new.args[2:]]
    if any(value is None or value.size != 1 for value in values):
        return None
    first, second = (
        forms.real(old.args[k], new.args[k], column(new.args[3 + 2 * k], 0, 1)) for k in (0, 1)
    )
    step = np.float32(values[0].item() * values[2].item() / values[4].item())
    product = relay.multiply(relay.multiply(first, second), relay.const(step))
    return forms.stored(product, column(new.args[7], 0, 1), old.checked_type.dtype)


def _concatenate(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    parts, scales, zeros = new.args[:3]
    if not all(isinstance(x, relay.Tuple) for x in (old.args[0], parts, scales, zeros)):
        return None
    made = []
    for before, part, scale, zero in zip(
        old.args[0].fields, parts.fields, scales.fields, zeros.fields, strict=True
    ):
        data = forms.real(before, part, column(zero, 0, 1))
        steps = relay.multiply(data, _ratio(column(scale, 0, 1), new.args[3]))
        made.append(forms.stored(steps, column(new.args[4], 0, 1), old.checked_type.dtype))
    if None in made:
        return None
    joined = relay.concatenate(made, plain_attrs(old)["axis"])
    return forms.lift(joined) if forms.is_lifted(made[0]) else joined


def _avg_pool2d(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    kept = ("pool_size", "strides", "dilation", "padding", "layout", "ceil_mode",
            "count_include_pad")  # fmt: skip
    attrs = {key: value for key, value in plain_attrs(old).items() if key in kept}
    data = forms.real(old.args[0], new.args[0], column(new.args[2], 0, 1))
    step = _ratio(column(new.args[1], 0, 1), new.args[3])
    steps = relay.multiply(relay.nn.avg_pool2d(data, **attrs), step)
    return forms.stored(steps, column(new.args[4], 0, 1), old.checked_type.dtype)


def _global_avg_pool2d(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    if old.checked_type.dtype != "int32" or plain_attrs(old)["layout"] != "NCHW":
        return None
    data = relay.cast(forms.restored(new.args[0]), "float32")
    return forms.mean(relay.mean(data, (2, 3), keepdims=True))


def _mean(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    if old.checked_type.dtype != "int32":
        return None
    data = relay.cast(forms.restored(new.args[0]), "float32")
    return forms.mean(relay.Call(new.op, [data], new.attrs))


def _cast(forms: NumberForms, old: relay.Call, new: relay.Call) -> relay.Expr | None:
    if not forms.is_lifted(new.args[0]) or old.checked_type.dtype not in ("int32", "float32"):
        return None
    dtype = old.checked_type.dtype
    return relay.subtract(relay.cast(new.args[0], dtype), relay.const(LIFT, dtype))


def _moved(forms: NumberForms, _: relay.Call, new: relay.Call) -> relay.Expr | None:
    """Operators of one input that only pick or move numbers."""
    if not forms.is_lifted(new.args[0]):
        return None
    return forms.lift(relay.Call(new.op, new.args, new.attrs, span=new.span))


def _parameter(old: relay.Call, new: relay.Call, position: int) -> relay.Expr:
    """A scale or zero point as it broadcasts over data; those of an axis may be computed."""
    axis, rank = plain_attrs(old).get("axis", -1), len(old.checked_type.shape)
    axis = axis % rank if -rank <= axis < rank else rank - 1
    given, shape = new.args[position], old.args[position].checked_type.shape
    if number(given) is None and shape and int(shape[0]) > 1:
        return relay.reshape(given, (-1, *[1] * (rank - 1 - axis)))
    return column(given, axis, rank)


def _ratio(scale: relay.Expr, result: relay.Expr) -> relay.Expr:
    """How many steps of the result a step of the data is."""
    values = number(scale), number(result)
    if None in [None if value is None else 0 for value in values]:
        return relay.divide(scale, result)
    return relay.const(np.asarray(values[0] / values[1].reshape(()), "float32"))


LOWERED: Mapping[str, Lowered] = {
    "qnn.quantize": _quantize,
    "qnn.dequantize": _dequantize,
    "qnn.requantize": _requantize,
    "qnn.conv2d": _conv2d,
    "qnn.dense": _dense,
    "qnn.batch_matmul": _product(relay.nn.batch_matmul),
    "nn.bias_add": _bias_add,
    "add": _add,
    "qnn.add": _sum(1),
    "qnn.subtract": _sum(-1),
    "qnn.mul": _mul,
    "qnn.concatenate": _concatenate,
    "qnn.avg_pool2d": _avg_pool2d,
    "nn.global_avg_pool2d": _global_avg_pool2d,
    "mean": _mean,
    "cast": _cast,
    **dict.fromkeys(
        ("nn.max_pool2d", "reshape", "transpose", "nn.batch_flatten", "squeeze", "expand_dims",
         "strided_slice", "copy"), _moved
    ),
}  # fmt: skip
