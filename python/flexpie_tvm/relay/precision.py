# SPDX-License-Identifier: Apache-2.0
"""In which floating point a module computes, written on it as an attribute.

``FlexPiePreOptimize`` writes it, ``FlexPiePartition`` puts it into the plan's notes. A module
without it computes in the types that its model declares.
"""

from __future__ import annotations

import tvm

from ..machine import FP32
from .function_attrs import attribute_of, with_attribute

ATTRIBUTE = "flexpie_precision"


def precision_of(mod: tvm.IRModule) -> str:
    """``fp16`` of a module that was narrowed to it, else ``fp32``."""
    return attribute_of(mod, ATTRIBUTE) or FP32


def with_precision(mod: tvm.IRModule, precision: str) -> tvm.IRModule:
    """The module with a precision written on it."""
    return with_attribute(mod, ATTRIBUTE, precision)
