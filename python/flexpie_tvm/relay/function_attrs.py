# SPDX-License-Identifier: Apache-2.0
"""What is written on a module as a whole: attributes of its main function.

A module's own attributes are not printed by TVM 0.19, so they would be lost with its text.
"""

from __future__ import annotations

import tvm

from .rewrite import with_main


def attribute_of(mod: tvm.IRModule, key: str) -> str | None:
    """A text that is written on a module; None if it is not."""
    attrs = mod["main"].attrs
    return str(attrs[key]) if attrs is not None and key in attrs.keys() else None


def with_attribute(mod: tvm.IRModule, key: str, value: str | None) -> tvm.IRModule:
    """The module with a text written on it, or without."""
    main = mod["main"]
    if value is not None:
        return with_main(mod, main.with_attr(key, value))
    return mod if attribute_of(mod, key) is None else with_main(mod, main.without_attr(key))
