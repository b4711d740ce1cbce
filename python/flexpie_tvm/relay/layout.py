# SPDX-License-Identifier: Apache-2.0
"""Whether a module's layouts are chosen, written on it as an attribute.

``FlexPiePreOptimize`` writes it, `lower` gives it to the boards' modules, and `build` leaves the
layouts of a module with it alone. A module without it is laid out by TVM as it is compiled.
"""

from __future__ import annotations

import tvm

from .function_attrs import attribute_of, with_attribute

ATTRIBUTE = "flexpie_layout"


def layout_of(mod: tvm.IRModule) -> str | None:
    """The layout of a module's images, such as ``NCHW16c``; None if nobody has chosen it."""
    return attribute_of(mod, ATTRIBUTE)


def with_layout(mod: tvm.IRModule, layout: str | None) -> tvm.IRModule:
    """The module with another layout written on it, or with none."""
    return with_attribute(mod, ATTRIBUTE, layout)
