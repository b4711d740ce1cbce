# SPDX-License-Identifier: Apache-2.0
"""Concatenation of tensors that depend on each other.

TVM's kernel for x86 copies each part from a buffer of its own. If one part is also read by what
another part is computed from, as in ``concatenate(y, pad(slice(y)))``, its buffer has strides,
and TVM refuses to bind the two (``Cannot bind a compact buffer``). The kernel here asks for each
element which part it is of.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm import te, topi
from tvm.relay.op import OpStrategy
from tvm.relay.op.strategy.generic import wrap_compute_concat, wrap_topi_schedule

from ..machine import VectorUnit
from .stages import stages_of


def strategy(
    attrs, inputs: Sequence[te.Tensor], out_type, target, unit: VectorUnit
) -> OpStrategy | None:
    """Our kernel of ``concatenate``, for parts that depend on each other.

    Parameters
    ----------
    attrs, inputs, out_type, target
        What TVM gives a strategy.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    strategy : OpStrategy or None
        None if every part is computed by itself.
    """
    computed = [tensor.op for tensor in inputs if isinstance(tensor.op, te.ComputeOp)]
    behind = [{*stages_of(op.output(0))} - {op} for op in computed]
    if not any(op in stages for op in computed for stages in behind):
        return None
    found = OpStrategy()
    found.add_implementation(
        wrap_compute_concat(topi.concatenate),
        wrap_topi_schedule(topi.generic.schedule_injective),
        name="concatenate.flexpie",
    )
    return found
