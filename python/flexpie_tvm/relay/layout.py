# SPDX-License-Identifier: Apache-2.0
"""Whether a module's layouts are chosen, written on it as an attribute.

``FlexPiePreOptimize`` writes it, `lower` gives it to the boards' modules, and `build` leaves the
layouts of a module with it alone. A module without it is laid out by TVM as it is compiled.
"""

from __future__ import annotations

import tvm

ATTRIBUTE = "flexpie.layout"


def layout_of(mod: tvm.IRModule) -> str | None:
    """The layout of a module's images, such as ``NCHW16c``; None if nobody has chosen it."""
    attrs = mod.attrs
    return str(attrs[ATTRIBUTE]) if attrs is not None and ATTRIBUTE in attrs.keys() else None


def with_layout(mod: tvm.IRModule, layout: str | None) -> tvm.IRModule:
    """The module with another layout written on it, or with none."""
    if layout is not None:
        return mod.with_attr(ATTRIBUTE, layout)
    return mod if layout_of(mod) is None else mod.without_attr(ATTRIBUTE)
