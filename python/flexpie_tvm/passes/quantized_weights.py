# SPDX-License-Identifier: Apache-2.0
"""Quantized weights as operators on integers want them: constants in their last order of axes.

TVM's FakeQuantizationToInteger takes a transposition for something that leaves scales along the
axis where they are. It crashes at scales of columns where a dense layer does not say how many
columns it has.
"""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relay

from ..relay.attrs import plain_attrs
from ..relay.rewrite import rewrite_main


def plain_weights(mod: tvm.IRModule) -> tvm.IRModule:
    """Dequantize constants behind their transpositions, and write columns on dense layers."""
    return rewrite_main(mod, _change)


def _change(old: relay.Expr, new: relay.Expr) -> relay.Expr:
    if _calls(new, "nn.dense"):
        columns = int(old.args[1].checked_type.shape[0])
        return relay.nn.dense(*new.args, units=columns, out_dtype=old.checked_type.dtype)
    if not _calls(new, "transpose") or not _calls(new.args[0], "qnn.dequantize"):
        return new
    value, scale, zero = new.args[0].args
    if not isinstance(value, relay.Constant):
        return new
    array = value.data.numpy()
    order = plain_attrs(new).get("axes") or tuple(reversed(range(array.ndim)))
    order = [axis % array.ndim for axis in order]
    axis = plain_attrs(new.args[0])["axis"] % array.ndim
    moved = relay.const(np.ascontiguousarray(array.transpose(order)))
    return relay.qnn.dequantize(moved, scale, zero, axis=order.index(axis))


def _calls(expr: relay.Expr, name: str) -> bool:
    return (
        isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op) and expr.op.name == name
    )
