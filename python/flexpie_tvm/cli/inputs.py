# SPDX-License-Identifier: Apache-2.0
"""What goes into a model: an .npz file, an image, or random numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..extras import require
from ..runtime import Port
from ..runtime.port import check_input

# ImageNet's statistics, which most classification networks are trained with.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def load_inputs(path: Path | None, ports: tuple[Port, ...], seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of a model.

    Parameters
    ----------
    path : Path or None
        ``.npz`` with an array per input, an image (for a model with one image input), or
        None for random numbers.
    ports : tuple of Port
        The model's inputs.
    seed : int
        Of the random numbers.

    Raises
    ------
    InputError
        If the file is missing, neither of these, or does not fit the model.
    """
    if path is None:
        rng = np.random.default_rng(seed)
        return {port.name: _random(port, rng) for port in ports}
    check_input_file(path)
    if path.suffix.lower() == ".npz":
        return _load_npz(path, ports)
    if len(ports) != 1:
        raise InputError(f"the model has {len(ports)} inputs: give an .npz file, not '{path}'")
    return {ports[0].name: load_image(path, ports[0])}


def check_input_file(path: Path | None) -> None:
    """``InputError`` if there is no such file."""
    if path is not None and not path.is_file():
        raise InputError(f"input '{path}' does not exist: give an .npz file or an image")


def load_image(path: Path, port: Port) -> np.ndarray:
    """An image resized to an input of shape 1x3xHxW, 1x1xHxW or 1xHxWx3.

    float32 inputs are normalised with ImageNet's mean and deviation; integer inputs get
    values from 0 to 255.
    """
    shape = port.shape
    if len(shape) != 4 or shape[0] != 1 or not {shape[1], shape[3]} & {1, 3}:
        raise InputError(f"input '{port.name}' of shape {shape} is not an image: give an .npz file")
    first = shape[1] in (1, 3)
    channels = shape[1] if first else shape[3]
    height, width = (shape[2], shape[3]) if first else (shape[1], shape[2])
    images = require("PIL.Image", f"reading the image '{path}'")
    try:
        with images.open(path) as opened:
            image = opened.convert("RGB" if channels == 3 else "L").resize((width, height))
    except OSError:  # also what is no image
        raise InputError(f"input '{path}' is neither an .npz file nor an image") from None
    pixels = np.asarray(image).reshape(height, width, channels)
    if port.dtype.startswith("float"):
        mean, std = np.array(MEAN[:channels]), np.array(STD[:channels])
        pixels = (pixels / 255 - mean) / std
    pixels = pixels.transpose(2, 0, 1) if first else pixels
    return np.ascontiguousarray(pixels[None]).astype(port.dtype)


def _load_npz(path: Path, ports: tuple[Port, ...]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception as error:  # zipfile, zlib and numpy have a dozen ways to say it
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"input '{path}' is not a readable .npz file: {reason}") from None
    known = [p.name for p in ports]
    for name in arrays:
        if name not in known:
            raise InputError(f"input '{path}' has '{name}': the inputs are {', '.join(known)}")
    return {port.name: check_input(port, arrays) for port in ports}


def _random(port: Port, rng: np.random.Generator) -> np.ndarray:
    if port.dtype.startswith("float"):
        return rng.normal(size=port.shape).astype(port.dtype)
    if port.dtype == "bool":
        return rng.integers(0, 2, port.shape).astype(bool)
    return rng.integers(0, 100, port.shape).astype(port.dtype)
