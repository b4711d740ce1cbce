# SPDX-License-Identifier: Apache-2.0
"""Packages that a base install goes without, and the extra of ours that brings each."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from .errors import ToolError

#: By the name under which it is imported.
EXTRA_OF = {
    "PIL": "lab",
    "cryptography": "sign",
    "matplotlib": "lab",
    "onnxscript": "torch",
    "pyarrow": "lab",
    "scipy": "lab",
    "skimage": "demo",
    "torch": "torch",
}


def require(module: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        Its full name, such as ``matplotlib.figure``.
    purpose : str
        What needs it, as a sentence begins: ``a trace store``.

    Returns
    -------
    module
        Imported. (Its type is left open: type checkers need not have the package.)

    Raises
    ------
    ToolError
        If the package is not installed, with the command that installs it.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise  # the package is there, and itself lacks something
        raise _missing(package, purpose) from None


def check_installed(package: str, purpose: str) -> None:
    """As `require`, but the package is only looked for: it may not be imported here."""
    if importlib.util.find_spec(package) is None:
        raise _missing(package, purpose)


def _missing(package: str, purpose: str) -> ToolError:
    extra = EXTRA_OF[package]
    return ToolError(f"{purpose} needs the package {package}: pip install 'flexpie-tvm[{extra}]'")
