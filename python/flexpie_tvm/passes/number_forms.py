# SPDX-License-Identifier: Apache-2.0
"""In which form the lowering of a quantized model leaves tensors, and how they are read.

Tensors of int8 become uint8, 128 higher, where all that is known of their readers allows it: behind
a rectifier their zero point then is 0, which is what convolutions pad with, and x86 multiplies
unsigned numbers by signed ones. Means, and products of two computed matrices, stay real until they
are rounded.
"""

from __future__ import annotations

import numpy as np
from tvm import relay

from .requantize import BOUNDS, number, quantized, real

#: From int8 to uint8.
LIFT = 128


class NumberForms:
    """Remembers which expressions stand in the place of others of another form."""

    def __init__(self) -> None:
        self._lifted: set[relay.Expr] = set()  # uint8 in the place of int8
        self._means: set[relay.Expr] = set()  # float32 in the place of int32, not yet rounded
        self._shifted: dict[relay.Expr, tuple[relay.Expr, np.ndarray]] = {}

    def is_lifted(self, expr: relay.Expr) -> bool:
        """Whether an expression is uint8 in the place of int8."""
        return expr in self._lifted

    def lift(self, expr: relay.Expr) -> relay.Expr:
        """Mark an expression as uint8 in the place of int8."""
        self._lifted.add(expr)
        return expr

    def mean(self, expr: relay.Expr) -> relay.Expr:
        """Mark an expression as real in the place of int32."""
        self._means.add(expr)
        return expr

    def restored(self, expr: relay.Expr) -> relay.Expr:
        """An expression in the form that the model gave it."""
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([self.restored(field) for field in expr.fields])
        if expr in self._lifted:
            low = relay.subtract(relay.cast(expr, "int16"), relay.const(LIFT, "int16"))
            return relay.cast(low, "int8")
        if expr in self._means:
            return relay.cast(relay.round(expr), "int32")
        return expr

    def read(self, data: relay.Expr, zero: relay.Expr) -> tuple[relay.Expr, relay.Expr]:
        """Data and the zero point that they have in their form."""
        return data, lifted_zero(zero) if data in self._lifted else zero

    def real(self, old: relay.Expr, data: relay.Expr, zero: relay.Expr) -> relay.Expr:
        """Data less their zero point, as float32; ``old`` is what they stand for, typed."""
        if data in self._means:
            return relay.subtract(data, relay.cast(zero, "float32"))
        data, zero = self.read(data, zero)
        return real(data, zero, old.checked_type.dtype == "int32")

    def stored(self, steps: relay.Expr, zero: relay.Expr, dtype: str) -> relay.Expr | None:
        """Real numbers in steps of the result -> integers, int8 lifted; None for other types."""
        if dtype not in BOUNDS:
            return None
        if dtype != "int8":
            return quantized(steps, zero, dtype)
        return self.lift(quantized(steps, lifted_zero(zero), "uint8"))

    def sums(self, product: relay.Expr, addend: np.ndarray) -> relay.Expr:
        """A product and what a zero point adds to it; a bias can be joined to that."""
        result = relay.add(product, relay.const(addend)) if addend.any() else product
        self._shifted[result] = (product, addend)
        return result

    def biased(self, sums: relay.Expr, bias: relay.Expr) -> relay.Expr | None:
        """The same with a constant bias; None if the two cannot be joined."""
        value = number(bias)
        if sums not in self._shifted or value is None or value.dtype != np.int32:
            return None
        product, addend = self._shifted[sums]
        return relay.add(product, relay.const(value + addend))


def lifted_zero(zero: relay.Expr) -> relay.Expr:
    """The zero point of lifted data."""
    value = number(zero)
    lift = relay.const(LIFT)
    return relay.add(zero, lift) if value is None else relay.const((value + LIFT).astype("int32"))
