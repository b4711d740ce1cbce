# SPDX-License-Identifier: Apache-2.0
"""Programs that ``torch.export.save`` wrote, by way of PyTorch's own exporter to ONNX."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ModelError
from ..extras import check_installed

#: Entries of its archive by which a program is known, of PyTorch since 2.7 and before.
MARKS = frozenset({"archive_format", "serialized_exported_program.json"})
PURPOSE = "a program of torch.export"


def is_exported(path: Path) -> bool:
    """True if a file is an archive of ``torch.export.save``."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError):
        return False
    return bool(names & MARKS) and "data.pkl" not in names


@contextmanager
def as_onnx(path: Path) -> Iterator[Path]:
    """A program as an ONNX file, while it lasts; any other file as it is.

    Parameters
    ----------
    path : Path
        A model of any format.

    Raises
    ------
    ToolError
        If PyTorch or its exporter is not installed.
    ModelError
        If the archive is damaged or PyTorch cannot export an operator.
    """
    if not is_exported(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / f"{path.stem}.onnx"
        _export(path, written)
        yield written


def _export(path: Path, to: Path) -> None:
    for package in ("torch", "onnxscript"):
        check_installed(package, PURPOSE)
    program = Path(__file__).with_name("torch_to_onnx.py")
    command = [sys.executable, str(program), str(path), str(to)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise ModelError(f"PyTorch cannot export '{path}' to ONNX: {said[-1]}")
