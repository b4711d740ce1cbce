# SPDX-License-Identifier: Apache-2.0
"""Quantized models compute in integers, between operators as within them.

TVM's FakeQuantizationToInteger turns real operators between a dequantization and a quantization
into quantized ones. These become plain operators here: convolutions and products of 8 bits with
sums of 32, and around them what elementwise operators do (`requantize`), so that kernels, rules and
layouts are those of any model.
"""

from __future__ import annotations

import tvm
from tvm import relay

from ..relay.rewrite import post_order, rewrite, with_body
from .fold import fold_constants
from .integer_ops import LOWERED
from .number_forms import NumberForms
from .quantized_weights import plain_weights


def run_in_integers(mod: tvm.IRModule) -> tvm.IRModule:
    """Module of a quantized model -> module that computes in integers; others come back as such.

    Parameters
    ----------
    mod : tvm.IRModule
        With ``qnn`` operators, as the importer leaves them.

    Returns
    -------
    mod : tvm.IRModule
        Of the same inputs and results. Operators of ``qnn`` that `LOWERED` does not know are left,
        as is what a quantized model computes in real numbers.
    """
    if not any(_name(node).startswith("qnn.") for node in post_order(mod["main"].body)):
        return mod
    mod = plain_weights(mod)
    mod = fold_constants(relay.transform.FakeQuantizationToInteger()(mod))
    mod = relay.transform.InferType()(mod)
    forms = NumberForms()

    def change(old: relay.Expr, new: relay.Expr) -> relay.Expr:
        lower = LOWERED.get(_name(old))
        lowered = lower(forms, old, new) if lower is not None else None
        return _as_given(forms, new) if lowered is None else lowered

    return with_body(mod, forms.restored(rewrite(mod["main"].body, change)))


def _as_given(forms: NumberForms, new: relay.Expr) -> relay.Expr:
    """The same operator; what it reads has the form that the model gave it."""
    if isinstance(new, relay.Call):
        args = [forms.restored(arg) for arg in new.args]
        return relay.Call(new.op, args, new.attrs, new.type_args, new.span)
    return new


def _name(node: relay.Expr) -> str:
    is_operator = isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.Op)
    return node.op.name if is_operator else ""
