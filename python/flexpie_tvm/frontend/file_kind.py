# SPDX-License-Identifier: Apache-2.0
"""What a file that is no ONNX model is, by its first bytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

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
    if first[4:8] == b"TFL3":
        return (
            "a TensorFlow Lite model: convert it with tf2onnx (python -m tf2onnx.convert --tflite)"
        )
    if first.startswith(b"PK"):
        return _archive(path)
    return next((what for magic, what in _FIRST.items() if first.startswith(magic)), None)


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError):
        return "a damaged zip archive"
    if (
        "data.pkl" in names
        or "serialized_exported_program.json" in names
        or "archive_format" in names
    ):
        return "a PyTorch model: export it with torch.onnx.export"
    if "config.json" in names and "model.weights.h5" in names:
        return "a Keras model: export it with tf2onnx"
    return "a zip archive: give the ONNX file inside it"
