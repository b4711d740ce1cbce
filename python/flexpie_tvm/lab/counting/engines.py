# SPDX-License-Identifier: Apache-2.0
"""The engines' aarch64 packages and ncnn's converter, in the cache folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..testbed.emulated import WHEEL_PLATFORMS, default_cache
from ..testbed.lock import locked
from .programs import run

#: What stands beside ours. Other versions would give other figures.
ONNXRUNTIME, NCNN, PNNX = "onnxruntime==1.32.0", "ncnn==1.0.20261020", "pnnx==20261020"
_GUEST_PYTHON = ("--implementation", "cp", "--python-version", "3.11")


def engine_packages() -> tuple[Path, ...]:
    """Folders with onnxruntime and ncnn for the emulated Python.

    Raises
    ------
    ToolError
        If they cannot be had.
    """
    platforms = [part for name in WHEEL_PLATFORMS for part in ("--platform", f"{name}_aarch64")]
    options = ("--only-binary=:all:", *_GUEST_PYTHON, *platforms)
    return tuple(_installed(package, "aarch64", options) for package in (ONNXRUNTIME, NCNN))


def pnnx() -> Path:
    """The program that converts ONNX to ncnn, for this machine.

    Raises
    ------
    ToolError
        If it cannot be had.
    """
    return _installed(PNNX, os.uname().machine, ()) / "pnnx/pnnx"


def _installed(package: str, arch: str, options: Sequence[str]) -> Path:
    """A folder with a package alone: what it depends on is in the emulated Python."""
    cache = default_cache()
    name, version = package.split("==")
    folder = cache / f"{name}-{version}-{arch}"
    with locked(cache, folder.name):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                fresh = Path(scratch) / "fresh"
                pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile")
                quiet = ("--disable-pip-version-check", "--root-user-action=ignore")
                where = ("--no-deps", "--target", fresh, *options)
                run([*pip, *quiet, *where, package])
                shutil.move(fresh, folder)
    return folder
