# SPDX-License-Identifier: Apache-2.0
"""What the package exports: every name in an ``__all__``, once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import flexpie_tvm


def public_packages() -> list[ModuleType]:
    """The package and all packages in it that say what they export."""
    found = pkgutil.walk_packages(flexpie_tvm.__path__, "flexpie_tvm.")
    names = ["flexpie_tvm", *(module.name for module in found if module.ispkg)]
    packages = [importlib.import_module(name) for name in names]
    return [package for package in packages if hasattr(package, "__all__")]


def public_objects() -> Iterator[tuple[str, object]]:
    """Functions and classes by the name under which they are met first."""
    seen = set()
    for package in public_packages():
        for name in package.__all__:
            thing = inspect.unwrap(getattr(package, name))
            if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing not in seen:
                seen.add(thing)
                yield f"{package.__name__}.{name}", thing
