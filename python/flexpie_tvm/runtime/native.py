# SPDX-License-Identifier: Apache-2.0
"""Where the native board runtime is."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ClusterError

NAME = "libflexpie_runtime.so"


def native_library(arch: str) -> Path:
    """The native runtime for an architecture.

    Parameters
    ----------
    arch : str
        ``x86_64`` or ``aarch64``.

    Raises
    ------
    ClusterError
        If it was not built.
    """
    chosen = os.environ.get("FLEXPIE_RUNTIME_DIR")
    folder = Path(chosen) if chosen else Path(__file__).parent.parent / "native"
    path = folder / arch / NAME
    if not path.is_file():
        raise ClusterError(
            f"the native runtime for {arch} is not built ({path}): "
            "install flexpie_tvm with a compiler for it at hand"
        )
    return path


def target_arch(target: str) -> str:
    """Architecture of a TVM target string; the host's if it does not say."""
    for part in target.replace('"', " ").split():
        if part.startswith("-mtriple="):
            return part.removeprefix("-mtriple=").split("-")[0]
    return os.uname().machine
