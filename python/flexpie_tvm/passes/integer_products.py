# SPDX-License-Identifier: Apache-2.0
"""Convolutions and dense layers of 8 bits: what a zero point adds is a constant of each channel.

With data x, weights w and their zero points, the sum of (x - zero) w is that of x w less the zero
point times the sum of w, which is known when the weights are. At the border zeros are in the place
of x - zero, so there x is the zero point; data are padded before if that is not 0.
"""

from __future__ import annotations

import numpy as np
from tvm import relay

from ..relay.attrs import plain_attrs
from .requantize import is_zero, number

#: Channels of data that are multiplied together, and of the result that are summed together: of
#: other numbers there are more, of zeros.
TOGETHER = 4
#: What a convolution's attributes say beside its layouts and types.
_KEPT = ("strides", "padding", "dilation", "groups", "channels", "kernel_size")

#: A product and what is added to it: a constant, or an expression if the zero point is computed.
Product = tuple[relay.Expr, "np.ndarray | relay.Expr"]


def integer_conv(
    old: relay.Call, data: relay.Expr, weight: relay.Expr, zero: relay.Expr, weight_zero: relay.Expr
) -> Product | None:
    """A ``qnn.conv2d`` with constant weights as an ``nn.conv2d`` of integers.

    Parameters
    ----------
    old : relay.Call
        The operator, typed; NCHW, or else the answer is None. In groups that are not single
        channels it is computed in float32, exactly up to some 500 numbers a result.
    data, zero : relay.Expr
        uint8 or int8 ``(N, C, H, W)`` and their zero point, a scalar of int32.
    weight, weight_zero : relay.Expr
        ``(O, I, KH, KW)`` and the zero points of all or of each filter.
    """
    attrs = {key: value for key, value in plain_attrs(old).items() if key in _KEPT}
    layouts = plain_attrs(old)["data_layout"], plain_attrs(old)["kernel_layout"]
    value = _weights(weight, weight_zero)
    if value is None or layouts != ("NCHW", "OIHW") or plain_attrs(old).get("out_layout"):
        return None
    channels = int(old.args[0].checked_type.shape[1])
    depthwise = attrs["groups"] == channels == value.shape[0]
    total = value.sum(axis=(1, 2, 3), dtype="int32").reshape(-1, 1, 1)
    data, attrs["padding"] = _padded(data, zero, attrs["padding"])
    attrs |= {"channels": value.shape[0], "kernel_size": value.shape[2:]}
    if attrs["groups"] != 1 and not depthwise:
        weights = relay.const(value.astype("float32"))
        made = relay.nn.conv2d(relay.cast(data, "float32"), weights, **attrs)
        return relay.cast(relay.round(made), "int32"), _addend(total, zero)
    more, filters = (0, 0) if depthwise else (-channels % TOGETHER, -value.shape[0] % TOGETHER)
    if more:
        data = relay.nn.pad(data, ((0, 0), (0, more), (0, 0), (0, 0)))
    value = np.pad(value, ((0, filters), (0, more), (0, 0), (0, 0)))
    attrs["channels"] += filters
    product = relay.nn.conv2d(data, relay.const(value), **attrs, out_dtype="int32")
    if filters:
        product = relay.strided_slice(product, [0], [total.shape[0]], axes=[1])
    return product, _addend(total, zero)


def integer_dense(
    old: relay.Call, data: relay.Expr, weight: relay.Expr, zero: relay.Expr, weight_zero: relay.Expr
) -> Product | None:
    """A ``qnn.dense`` with constant weights as an ``nn.dense`` of integers.

    Parameters
    ----------
    old : relay.Call
        The operator, typed.
    data, zero : relay.Expr
        uint8 or int8 ``(M, K)`` and their zero point, a scalar of int32.
    weight, weight_zero : relay.Expr
        ``(N, K)`` and the zero points of all or of each row.
    """
    value = _weights(weight, weight_zero)
    if value is None:
        return None
    total = value.sum(axis=1, dtype="int32")
    columns, more = -value.shape[0] % TOGETHER, -value.shape[1] % TOGETHER
    if more:
        data = relay.nn.pad(data, ((0, 0), (0, more)))
    value = np.pad(value, ((0, columns), (0, more)))
    product = relay.nn.dense(data, relay.const(value), units=value.shape[0], out_dtype="int32")
    if columns:
        product = relay.strided_slice(product, [0], [total.shape[0]], axes=[1])
    return product, _addend(total, zero)


def _weights(weight: relay.Expr, zero: relay.Expr) -> np.ndarray | None:
    """Constant weights less their zero points: int8, or int16 if they do not fit."""
    value, zeros = number(weight), number(zero)
    if value is None or zeros is None:
        return None
    value = value.astype("int16") - zeros.astype("int16").reshape(-1, *[1] * (value.ndim - 1))
    fits = value.min() >= -128 and value.max() <= 127
    return value.astype("int8") if fits else value


def _padded(data: relay.Expr, zero: relay.Expr, padding) -> tuple[relay.Expr, tuple[int, ...]]:
    """Data with the zero point around them, and what is left to pad."""
    if is_zero(zero) or not any(padding):
        return data, padding
    top, left, bottom, right = padding if len(padding) == 4 else (*padding, *padding)
    value = number(zero)
    frame = ((0, 0), (0, 0), (top, bottom), (left, right))
    around = relay.cast(zero, "uint8") if value is None else float(value.reshape(()))
    return relay.nn.pad(data, frame, pad_value=around), (0, 0, 0, 0)


def _addend(total: np.ndarray, zero: relay.Expr) -> np.ndarray | relay.Expr:
    value = number(zero)
    if value is not None:
        return (-total * value.reshape(())).astype("int32")
    return relay.multiply(relay.negative(zero), relay.const(total))
