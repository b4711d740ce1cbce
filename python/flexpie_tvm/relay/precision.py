# SPDX-License-Identifier: Apache-2.0
"""In which floating point a module computes, written on it as an attribute.

``FlexPiePreOptimize`` writes it, ``FlexPiePartition`` puts it into the plan's notes. A module
without it computes in the types that its model declares.
"""

from __future__ import annotations

import tvm

from ..machine import FP32

ATTRIBUTE = "flexpie.precision"


def precision_of(mod: tvm.IRModule) -> str:
    """``fp16`` of a module that was narrowed to it, else ``fp32``."""
    attrs = mod.attrs
    return str(attrs[ATTRIBUTE]) if attrs is not None and ATTRIBUTE in attrs.keys() else FP32


def with_precision(mod: tvm.IRModule, precision: str) -> tvm.IRModule:
    """The module with a precision written on it."""
    return mod.with_attr(ATTRIBUTE, precision)
