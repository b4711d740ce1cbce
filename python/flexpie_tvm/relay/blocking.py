# SPDX-License-Identifier: Apache-2.0
"""Layout pre-optimization: convolutions and all between them in NCHW[x]c.

Done once on the whole model, before it is cut: boards then exchange tensors in the layout in
which they compute, and no layer converts back and forth around an exchange. A tensor's block
is the largest divisor of its channels that fits a vector register.

Boards of several targets share one layout, because they share the exchanged tensors: blocks
that fit the narrowest vectors, or NCHW as soon as one target does not take blocks. TVM then
blocks the other targets' convolutions inside their own tiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import relay
from tvm.relay.testing.temp_op_attr import TempOpAttr
from tvm.target.x86 import get_simd_32bit_lanes

from .diagnostics import collected_diagnostics


def block_layouts(mod: tvm.IRModule, targets: Sequence[tvm.target.Target]) -> tvm.IRModule:
    """Rewrite NCHW convolutions (plain and depthwise) to blocked layouts.

    Modules for boards one of which takes NCHW (ARM) come back unchanged, as do those whose
    layouts TVM cannot alter.
    """
    lanes = common_lanes(targets)
    if lanes is None:
        return mod

    def alter(attrs, inputs, tinfos, out_type):
        return _blocked_conv(attrs, inputs, tinfos, out_type, lanes)

    def keep(attrs, inputs, tinfos, out_type):
        return None

    with (
        targets[0],
        TempOpAttr("nn.conv2d", "FTVMAlterOpLayout", alter),
        TempOpAttr("nn.dense", "FTVMAlterOpLayout", keep),
        TempOpAttr("nn.batch_matmul", "FTVMAlterOpLayout", keep),
    ):
        mod = relay.transform.CanonicalizeOps()(mod)
        try:
            with collected_diagnostics():
                return relay.transform.AlterOpLayout()(mod)
        except tvm.error.TVMError:  # TVM 0.19 gets some layouts wrong, such as of a topk
            return mod


def vector_lanes(target: tvm.target.Target) -> int | None:
    """32-bit lanes of an x86 target's vectors; None for other targets."""
    if "arm_cpu" in target.keys or "cpu" not in target.keys:
        return None
    triple = str(target.attrs.get("mtriple", ""))
    if triple and not triple.startswith(("x86_64", "i686")):
        return None
    with target:
        return get_simd_32bit_lanes()


def common_lanes(targets: Sequence[tvm.target.Target]) -> int | None:
    """Lanes that a layout for all targets may count on; None if it must be NCHW."""
    lanes = [vector_lanes(target) for target in targets]
    return None if None in lanes else min(lanes)


def block_of(channels: int, lanes: int) -> int:
    """The largest divisor of a number of channels that fits ``lanes``."""
    return max(n for n in range(1, min(channels, lanes) + 1) if channels % n == 0)


def _blocked_conv(attrs, inputs, tinfos, out_type, lanes: int) -> relay.Expr | None:
    if (attrs.data_layout, attrs.kernel_layout) != ("NCHW", "OIHW"):
        return None
    if tinfos[0].dtype != "float32" or tinfos[1].dtype != "float32":
        return None
    channels_in, channels_out = int(tinfos[0].shape[1]), int(out_type.shape[1])
    ic, oc = block_of(channels_in, lanes), block_of(channels_out, lanes)
    changed = {str(k): attrs[k] for k in attrs.keys()}
    changed.update(channels=channels_out, out_layout=f"NCHW{oc}c", data_layout=f"NCHW{ic}c")
    if attrs.groups == 1:
        changed["kernel_layout"] = f"OIHW{ic}i{oc}o"
        return relay.nn.contrib_conv2d_nchwc(*inputs, **changed)
    if attrs.groups == channels_in == channels_out:
        changed["kernel_layout"] = f"OIHW1i{oc}o"
        return relay.nn.contrib_depthwise_conv2d_nchwc(*inputs, **changed)
    return None
