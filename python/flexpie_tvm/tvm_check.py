# SPDX-License-Identifier: Apache-2.0
"""Import TVM, or say in two lines which TVM is needed."""

from __future__ import annotations

import importlib
import importlib.util


def require_relay() -> None:
    """Check that ``tvm`` is there and has Relay.

    Raises
    ------
    ImportError
        Otherwise, with the command that installs the right one.
    """
    remedy = (
        "Relay left Apache TVM in 0.20, so flexpie_tvm needs TVM 0.19: "
        "pip install 'flexpie-tvm[tvm]' in a fresh environment."
    )
    if importlib.util.find_spec("tvm") is None:
        raise ImportError(f"TVM is not installed.\n{remedy}")
    try:
        importlib.import_module("tvm.relay")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("tvm"):
            raise
        version = getattr(importlib.import_module("tvm"), "__version__", "unknown")
        raise ImportError(f"The installed TVM {version} has no Relay.\n{remedy}") from None
