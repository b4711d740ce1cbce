# SPDX-License-Identifier: Apache-2.0
"""Layout pre-optimization: convolutions and all between them in NCHW[x]c.

Done once on the whole model, before it is cut: boards then exchange tensors in the layout in
which they compute, and no layer converts back and forth around an exchange. A tensor's block
is the largest divisor of its channels that fits a vector register.

Boards of several targets share one layout, because they share the exchanged tensors: blocks
that fit the narrowest vectors, or NCHW as soon as kernels of ours do not know one target. TVM
then blocks the other targets' convolutions inside their own tiles.

TVM's AlterOpLayout asks what it shall do by target key; under `LAYOUT_KEY` it is answered here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product

import tvm
from tvm import relay, topi

from ..graph.arithmetic import largest_divisor
from ..kernels.target import LAYOUT_KEY, current_unit, keyed, unit_of
from ..machine import DTYPES, VectorUnit
from ..relay.diagnostics import collected_diagnostics
from ..relay.layout import with_layout
from ..relay.precision import precision_of
from .integer_products import TOGETHER

_log = logging.getLogger(__name__)


def register() -> None:
    """Put what AlterOpLayout shall do under our key; once is enough."""
    topi.nn.conv2d_alter_layout.register(LAYOUT_KEY, _blocked_conv, override=True)
    topi.nn.dense_alter_layout.register(LAYOUT_KEY, _kept, override=True)

#: Types of data and weights of convolutions that are blocked.
BLOCKED = {
    ("float32", "float32"), ("float16", "float16"), *product(("uint8", "int8"), ("int8", "int16")),
}  # fmt: skip


def block_layouts(mod: tvm.IRModule, targets: Sequence[tvm.target.Target]) -> tvm.IRModule:
    """Rewrite NCHW convolutions (plain and depthwise) to blocked layouts.

    Parameters
    ----------
    mod : tvm.IRModule
        The whole model.
    targets : sequence of tvm.target.Target
        Of the boards.

    Returns
    -------
    mod : tvm.IRModule
        With its layout written on it. Modules for boards one of which takes NCHW come back
        unchanged and without. Those whose layouts TVM cannot alter stay in NCHW, and a warning
        says why.
    """
    lanes = common_lanes(targets)
    if lanes is None:
        return mod
    # of equal ones what all of them compute with
    narrow = min(targets, key=lambda target: (blocked_lanes(target), unit_of(target).fp16))
    with keyed(narrow, LAYOUT_KEY):
        mod = relay.transform.CanonicalizeOps()(mod)
        try:
            with collected_diagnostics() as complaints:
                blocked = relay.transform.AlterOpLayout()(mod)
        except tvm.error.TVMError as error:  # TVM 0.19 gets some layouts wrong, such as of a topk
            reason = complaints[0] if complaints else str(error).strip().splitlines()[-1]
            _log.warning("the model stays in NCHW, as TVM cannot lay it out in blocks: %s", reason)
            return with_layout(mod, "NCHW")
    unit = unit_of(narrow).of(DTYPES[precision_of(mod)])
    return with_layout(blocked, f"NCHW{unit.lanes}c")


def blocked_lanes(target: tvm.target.Target) -> int | None:
    """Lanes of a target's vectors if its boards take blocked layouts; else None."""
    unit = unit_of(target)
    return None if unit is None else unit.lanes


def common_lanes(targets: Sequence[tvm.target.Target]) -> int | None:
    """Lanes that a layout for all targets may count on; None if it must be NCHW."""
    lanes = [blocked_lanes(target) for target in targets]
    return None if None in lanes else min(lanes)


def block_of(channels: int, lanes: int) -> int:
    """The largest divisor of a number of channels that fits ``lanes``."""
    return largest_divisor(channels, lanes)


def _float_block(channels: int, unit: VectorUnit, dtype: str) -> int:
    """Channels of a block of floating point; of 12 in float16 half a register, not 6."""
    lanes = unit.of(dtype).lanes
    return block_of(channels, unit.lanes if channels % lanes else lanes)


def largest_power(channels: int, lanes: int) -> int:
    """The largest power of two that divides a number of channels and fits ``lanes``."""
    return min(channels & -channels, 1 << (lanes.bit_length() - 1))


def _kept(attrs, inputs, tinfos, out_type) -> None:
    """What AlterOpLayout does to operators whose layout stays."""


def _blocked_conv(attrs, inputs, tinfos, out_type) -> relay.Expr | None:
    if (attrs.data_layout, attrs.kernel_layout) != ("NCHW", "OIHW"):
        return None
    if (tinfos[0].dtype, tinfos[1].dtype) not in BLOCKED:
        return None
    unit, dtype = current_unit(), tinfos[0].dtype
    channels_in, channels_out = int(tinfos[0].shape[1]), int(out_type.shape[1])
    if dtype.startswith("float"):
        if dtype not in unit.floats:
            return None
        ic, oc = (_float_block(channels, unit, dtype) for channels in (channels_in, channels_out))
    else:
        ic, oc = (largest_power(channels, unit.lanes) for channels in (channels_in, channels_out))
        if min(ic, oc) < TOGETHER:
            return None
    changed = {str(k): attrs[k] for k in attrs.keys()}
    changed.update(channels=channels_out, out_layout=f"NCHW{oc}c", data_layout=f"NCHW{ic}c")
    if attrs.groups == 1:
        changed["kernel_layout"] = f"OIHW{ic}i{oc}o"
        return relay.nn.contrib_conv2d_nchwc(*inputs, **changed)
    if attrs.groups == channels_in == channels_out:
        changed["kernel_layout"] = f"OIHW1i{oc}o"
        return relay.nn.contrib_depthwise_conv2d_nchwc(*inputs, **changed)
    return None
