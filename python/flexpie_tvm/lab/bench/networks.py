# SPDX-License-Identifier: Apache-2.0
"""Networks by name or file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...testing.int8_networks import QUANTIZED
from ...testing.networks import LIGHT, PADDLE, light_model, paddle_model
from ...testing.onnx_networks import MADE

Shape = tuple[int, ...]
WRITERS = {**MADE, **QUANTIZED}


@dataclass(frozen=True)
class Network:
    """An ONNX file with static shapes for its inputs.

    Parameters
    ----------
    name : str
        In file names and tables.
    path : Path
        The file.
    shapes : mapping
        Input name -> shape.
    """

    name: str
    path: Path
    shapes: Mapping[str, Shape]


def find_network(text: str, shapes: Mapping[str, Shape], folder: Path) -> Network:
    """A network from a file, or one of those that come with packages or are made here.

    Parameters
    ----------
    text : str
        Path of an ONNX file, or a name such as ``resnet50``.
    shapes : mapping
        Shapes of inputs with dynamic dims.
    folder : Path
        Where networks with random weights are written.

    Raises
    ------
    InputError
        If there is neither such a file nor such a name.
    """
    if Path(text).is_file():
        return Network(Path(text).stem, Path(text), shapes)
    if text in PADDLE:
        return Network(text, paddle_model(text), shapes or PADDLE[text].shapes)
    if text not in LIGHT and text not in WRITERS:
        known = ", ".join(sorted({*PADDLE, *LIGHT, *WRITERS}))
        raise InputError(f"network '{text}' is neither an ONNX file nor one of {known}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{text}.onnx"
    if not path.is_file():
        path = WRITERS[text](folder) if text in WRITERS else light_model(text, folder)
    return Network(text, path, shapes)
