# SPDX-License-Identifier: Apache-2.0
"""What a file that is no ONNX model is, by its first bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

TFLITE = b"TFL3"
_FIRST = {
    b"\x89HDF\r\n\x1a\n": "a Keras model (HDF5): export it with tf2onnx",
    b"\x80": "a Python pickle: load it in PyTorch and export it with torch.onnx.export",
    b"GGUF": "a GGUF file: export the network to ONNX",
    b"\x7fELF": "a compiled program or library: give the model that it was made from",
    b"7767517": "an ncnn network: give the ONNX file that it was made from",
}


def foreign_kind(path: Path) -> str | None:
    """What a file is and what to do about it; None if it may be an ONNX model.

    Parameters
    ----------
    path : Path
        A file that exists.
    """
    with path.open("rb") as file:
        first = file.read(16)
    if first[4:8] == TFLITE:
        return "a TensorFlow Lite model: this is done for ONNX files only"
    if first.startswith(b"PK"):
        return _archive(path)
    return next((what for magic, what in _FIRST.items() if first.startswith(magic)), None)


def is_tflite(path: Path) -> bool:
    """True if a file says that it is a TensorFlow Lite model."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8)[4:] == TFLITE


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive"
    if "data.pkl" in names:
        return "a PyTorch model: export it with torch.export or torch.onnx.export"
    if "serialized_exported_program.json" in names or "archive_format" in names:
        return "a program of torch.export: import it with load_model"
    if "config.json" in names and "model.weights.h5" in names:
        return "a Keras model: export it with tf2onnx"
    return "a zip archive: give the ONNX file inside it"
