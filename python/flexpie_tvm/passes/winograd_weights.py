# SPDX-License-Identifier: Apache-2.0
"""Convolutions that Winograd's filtering computes faster take transformed weights."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import tvm
from tvm import relay

from ..kernels.register_tile import ConvShape
from ..kernels.target import cache_of, unit_of
from ..kernels.winograd import transform_weights
from ..kernels.winograd_cost import Patch, best_patch
from ..kernels.winograd_transforms import WEIGHTS
from ..relay.attrs import plain_attrs
from ..relay.rewrite import rewrite_main


def winograd_weights(
    mod: tvm.IRModule, target: tvm.target.Target, weights: Collection[str] = ()
) -> tvm.IRModule:
    """Rewrite 3x3 convolutions of stride 1 with constant weights where it is predicted to pay.

    Parameters
    ----------
    mod : tvm.IRModule
        What is compiled next, laid out in NCHW[x]c.
    target : tvm.target.Target
        Its target. ARM has the kernel, and x86 from AVX2 on.
    weights : collection of str
        Names of parameters that stand for constants. They are transformed by the function itself.

    Returns
    -------
    mod : tvm.IRModule
        Its results differ by rounding, some 1e-5 of their range.
    """
    unit, cache = unit_of(target), cache_of(target)
    if unit is None:
        return mod

    def change(old: relay.Expr, new: relay.Expr) -> relay.Expr:
        shape = _shape(old)
        patch = shape and best_patch(shape, unit, cache)
        if patch is None:
            return new
        weight = _transformed(new.args[1], old.args[1].checked_type, patch, weights)
        if weight is None:
            return new
        attrs = plain_attrs(new)
        return relay.nn.contrib_conv2d_winograd_without_weight_transform(
            new.args[0], weight, patch.rows, (1, 1), attrs["padding"], (1, 1), 1,
            attrs["channels"], (3, 3), attrs["data_layout"], attrs["kernel_layout"],
            attrs["out_layout"], "float32",
        )  # fmt: skip

    return rewrite_main(mod, change)


def _transformed(
    weight: relay.Expr, kind: relay.TensorType, patch: Patch, weights: Collection[str]
) -> relay.Expr | None:
    """Transformed weights; None for what is not constant and does not stand for it."""
    if isinstance(weight, relay.Constant):
        return relay.const(transform_weights(weight.data.numpy(), patch))
    if not isinstance(weight, relay.Var) or weight.name_hint not in weights:
        return None
    blocks, in_blocks, high, wide, in_block, block = (int(n) for n in kind.shape)
    down, over = WEIGHTS[patch.rows], WEIGHTS[patch.columns]
    places = relay.const(np.kron(down, over).astype(kind.dtype))
    taps = relay.transpose(weight, (2, 3, 0, 1, 4, 5))
    products = relay.nn.matmul(places, relay.reshape(taps, (high * wide, -1)))
    return relay.reshape(products, (len(down), len(over), blocks, in_blocks, in_block, block))


def _shape(node: relay.Expr) -> ConvShape | None:
    """What a 3x3 convolution with stride 1 in blocked layout computes; None for all else."""
    if not isinstance(node, relay.Call) or not isinstance(node.op, tvm.ir.Op):
        return None
    if node.op.name != "nn.contrib_conv2d_NCHWc":
        return None
    kinds = [*(arg.checked_type for arg in node.args), node.checked_type]
    if any(kind.dtype != "float32" or relay.ty.is_dynamic(kind) for kind in kinds):
        return None
    attrs = plain_attrs(node)
    if any(tuple(map(int, attrs[k])) != (1, 1) for k in ("strides", "dilation")):
        return None
    blocks, in_blocks, high, wide, in_block, block = (
        int(n) for n in node.args[1].checked_type.shape
    )
    batch, _, rows, columns, _ = (int(n) for n in node.checked_type.shape)
    if (high, wide) != (3, 3) or batch != 1:
        return None
    return ConvShape(blocks, block, rows, columns, in_blocks, in_block, (3, 3))
