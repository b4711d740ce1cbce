# SPDX-License-Identifier: Apache-2.0
"""Where the native board runtime is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..errors import ClusterError, InputError

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
    path = _folder() / arch / NAME
    if not path.is_file():
        raise ClusterError(
            f"the native runtime for {arch} is not built ({path}): "
            "install flexpie_tvm with a compiler for it at hand"
        )
    return path


def native_archs() -> tuple[str, ...]:
    """The architectures that the native runtime is built for, the host's first."""
    found = {path.parent.name for path in _folder().glob(f"*/{NAME}")}
    return tuple(sorted(found, key=lambda arch: (arch != os.uname().machine, arch)))


def _folder() -> Path:
    chosen = os.environ.get("FLEXPIE_RUNTIME_DIR")
    return Path(chosen) if chosen else Path(__file__).parent.parent / "native"


def target_arch(target: str) -> str:
    """Architecture of a TVM target string; the host's if it does not say."""
    return _triple(target).split("-")[0] or os.uname().machine


def linker_for(target: str) -> str | None:
    """The compiler that links for a target: None for the host's own.

    Raises
    ------
    InputError
        If the target is of another architecture and no cross compiler for it is installed.
    """
    arch, triple = target_arch(target), _triple(target)
    if arch == os.uname().machine:
        return None
    wanted = f"{arch}-linux-gnu-g++"
    for name in (f"{triple}-g++", wanted):
        if shutil.which(name):
            return name
    raise InputError(f"no compiler links for target '{target}': install {wanted}")


def _triple(target: str) -> str:
    """What a TVM target string says after ``-mtriple=``; nothing if it does not."""
    for part in target.replace('"', " ").split():
        if part.startswith("-mtriple="):
            return part.removeprefix("-mtriple=")
    return ""
