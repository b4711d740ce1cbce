# SPDX-License-Identifier: Apache-2.0
"""Convolutions that Winograd's filtering computes faster take transformed weights."""

from __future__ import annotations

import tvm
from tvm import relay

from ..kernels.register_tile import ConvShape, direct_cycles
from ..kernels.winograd import RESULTS, transform_weights, winograd_cycles
from .attrs import plain_attrs
from .rewrite import rewrite_main


def winograd_weights(mod: tvm.IRModule, registers: int, lanes: int, cache: int) -> tvm.IRModule:
    """Rewrite 3x3 convolutions of stride 1 with constant weights where it is predicted to pay.

    Parameters
    ----------
    mod : tvm.IRModule
        What is compiled next, laid out in NCHW[x]c.
    registers, lanes, cache : int
        Vector registers of the target, numbers of one, bytes of the board's last cache.

    Returns
    -------
    mod : tvm.IRModule
        Its results differ by rounding, some 1e-5 of their range.
    """

    def change(old: relay.Expr, new: relay.Expr) -> relay.Expr:
        shape = _shape(old)
        if shape is None or not isinstance(new.args[1], relay.Constant):
            return new
        sizes = registers, lanes, cache
        if winograd_cycles(shape, *sizes) >= direct_cycles(shape, *sizes):
            return new
        attrs = plain_attrs(new)
        weight = relay.const(transform_weights(new.args[1].data.numpy()))
        return relay.nn.contrib_conv2d_winograd_without_weight_transform(
            new.args[0], weight, RESULTS, (1, 1), attrs["padding"], (1, 1), 1,
            attrs["channels"], (3, 3), attrs["data_layout"], attrs["kernel_layout"],
            attrs["out_layout"], "float32",
        )  # fmt: skip

    return rewrite_main(mod, change)


def _shape(node: relay.Expr) -> ConvShape | None:
    """What a 3x3 convolution with stride 1 in blocked layout computes; None for all else."""
    if not isinstance(node, relay.Call) or not isinstance(node.op, tvm.ir.Op):
        return None
    if node.op.name != "nn.contrib_conv2d_NCHWc" or node.checked_type.dtype != "float32":
        return None
    attrs = plain_attrs(node)
    if any(tuple(map(int, attrs[k])) != (1, 1) for k in ("strides", "dilation")):
        return None
    blocks, in_blocks, high, wide, in_block, block = (
        int(n) for n in node.args[1].checked_type.shape
    )
    if (high, wide) != (3, 3):
        return None
    _, _, rows, columns, _ = (int(n) for n in node.checked_type.shape)
    return ConvShape(blocks, block, rows, columns, in_blocks, in_block, (3, 3))
