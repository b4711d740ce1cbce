# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions in groups on ARM, which TVM refuses there and takes everywhere else."""

from __future__ import annotations

from tvm import topi
from tvm.relay.op import OpStrategy
from tvm.relay.op.strategy.generic import wrap_compute_conv2d_transpose, wrap_topi_schedule
from tvm.topi.utils import get_const_tuple

from ..machine import VectorUnit


def strategy(attrs, inputs, out_type, target, unit: VectorUnit) -> OpStrategy | None:
    """TVM's kernel of ``nn.conv2d_transpose`` in groups, as other processors have it.

    Parameters
    ----------
    attrs, inputs, out_type, target
        What TVM gives a strategy: an image ``(N, C, H, W)``, filters ``(C, O // groups, KH, KW)``.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    strategy : OpStrategy or None
        None for one group, and for processors other than ARM's.
    """
    if not unit.is_arm or int(attrs.groups) == 1 or attrs.data_layout != "NCHW":
        return None
    if get_const_tuple(attrs.dilation) != (1, 1):
        return None
    found = OpStrategy()
    found.add_implementation(
        wrap_compute_conv2d_transpose(topi.nn.group_conv2d_transpose_nchw, has_groups=True),
        wrap_topi_schedule(topi.generic.schedule_group_conv2d_transpose_nchw),
        name="group_conv2d_transpose_nchw.flexpie",
    )
    return found
