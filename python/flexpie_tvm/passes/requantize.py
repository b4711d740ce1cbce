# SPDX-License-Identifier: Apache-2.0
"""From quantized numbers to real ones and back, in plain Relay that is fused behind any operator.

A real number is rounded to the nearest integer, halves to the even one, as ONNX says and
onnxruntime does: sums of 32 bits are multiplied by one float32 scale. All of it is vectors of
float32, without the products of 64 bits by which TVM's own lowering stays in integers.
"""

from __future__ import annotations

import numpy as np
from tvm import relay

#: Of the numbers that a tensor of a kind holds.
BOUNDS = {"uint8": (0, 255), "int8": (-128, 127), "int32": (-(2**21), 2**21)}
#: Floats near it are integers apart, so that adding it rounds; its low bits are zero.
ROUNDER = 1.5 * 2**23
_ROUNDER_BITS = int(np.float32(ROUNDER).view("int32"))


def column(parameter: relay.Expr, axis: int, rank: int) -> relay.Expr:
    """A scale or zero point as it broadcasts over data: one number, or one for each of an axis.

    Parameters
    ----------
    parameter : relay.Expr
        Of type ``()``, ``(1,)`` or ``(C,)``.
    axis, rank : int
        The data's axis that it goes along, and number of axes.
    """
    value = number(parameter)
    if value is None:
        return parameter
    if value.size == 1:
        return relay.const(value.reshape(()))
    ones = rank - 1 - axis % rank
    return relay.const(value.reshape(-1, *[1] * ones))


def number(parameter: relay.Expr) -> np.ndarray | None:
    """The value of a constant; None for what is computed."""
    return parameter.data.numpy() if isinstance(parameter, relay.Constant) else None


def is_zero(parameter: relay.Expr) -> bool:
    """Whether a parameter is known to be nothing but zeros."""
    value = number(parameter)
    return value is not None and not value.any()


def real(data: relay.Expr, zero: relay.Expr, wide: bool) -> relay.Expr:
    """Quantized data less its zero point, as float32.

    Parameters
    ----------
    data, zero : relay.Expr
        The zero point broadcasts, int32.
    wide : bool
        Whether data are int32, of which float32 does not hold all.
    """
    if is_zero(zero):
        return relay.cast(data, "float32")
    if wide:
        return relay.cast(relay.subtract(data, zero), "float32")
    return relay.subtract(relay.cast(data, "float32"), _as_float(zero))


def quantized(steps: relay.Expr, zero: relay.Expr, dtype: str) -> relay.Expr:
    """Real numbers, in steps of the result, to integers around a zero point.

    Parameters
    ----------
    steps : relay.Expr
        float32.
    zero : relay.Expr
        int32; one number, or as many as broadcast.
    dtype : str
        ``uint8``, ``int8`` or ``int32``. Of int32 only the range of `BOUNDS` is kept.
    """
    low, high = BOUNDS[dtype]
    value = number(zero)
    if value is not None and value.size == 1:
        at = int(value.reshape(()))
        steps = relay.clip(steps, low - at, high - at)
    else:
        at = _as_float(zero)
        steps = relay.maximum(steps, relay.subtract(relay.const(float(low)), at))
        steps = relay.minimum(steps, relay.subtract(relay.const(float(high)), at))
    bits = relay.reinterpret(relay.add(steps, relay.const(np.float32(ROUNDER))), "int32")
    if dtype == "int32":
        return relay.add(relay.subtract(bits, relay.const(np.int32(_ROUNDER_BITS))), zero)
    # the low byte is the number's own
    return relay.cast(bits if is_zero(zero) else relay.add(bits, zero), dtype)


def _as_float(zero: relay.Expr) -> relay.Expr:
    value = number(zero)
    return relay.cast(zero, "float32") if value is None else relay.const(value.astype("float32"))
