# SPDX-License-Identifier: Apache-2.0
"""What the package exports: every name in an ``__all__``, once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import flexpie_tvm

#: Modules that are no packages and are shown in the API reference, with what is shown of them.
MODULES = {
    "flexpie_tvm.compiler": ("Prepared", "prepare"),
    "flexpie_tvm.frontend.imported_model": ("ImportedModel", "import_model"),
    "flexpie_tvm.errors": None,
}


def public_packages() -> list[ModuleType]:
    """The package and all packages in it that say what they export."""
    found = pkgutil.walk_packages(flexpie_tvm.__path__, "flexpie_tvm.")
    names = ["flexpie_tvm", *(module.name for module in found if module.ispkg)]
    packages = [importlib.import_module(name) for name in names]
    return [package for package in packages if hasattr(package, "__all__")]


def public_objects() -> Iterator[tuple[str, object]]:
    """Functions and classes by the name under which they are met first."""
    seen = set()
    for package, names in [*((p, p.__all__) for p in public_packages()), *_modules()]:
        for name in names:
            thing = inspect.unwrap(getattr(package, name))
            if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing not in seen:
                seen.add(thing)
                yield f"{package.__name__}.{name}", thing


def _modules() -> Iterator[tuple[ModuleType, list[str]]]:
    for module_name, names in MODULES.items():
        module = importlib.import_module(module_name)
        own = [k for k, v in vars(module).items() if getattr(v, "__module__", 0) == module_name]
        yield module, [name for name in names or own if not name.startswith("_")]
