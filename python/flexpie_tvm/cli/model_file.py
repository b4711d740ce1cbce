# SPDX-License-Identifier: Apache-2.0
"""The model that a command works on, and what is known of it before it is imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx

from ..frontend.exported_program import as_onnx
from ..frontend.formats import model_inputs
from ..frontend.onnx_model import read_onnx
from ..frontend.onnx_outputs import ending_at
from ..runtime import Port
from .options import PlanOptions


@contextmanager
def model_file(path: Path, options: PlanOptions) -> Iterator[Path]:
    """The user's file, in ONNX if it is PyTorch's, while it lasts.

    With ``--outputs`` it is a copy that ends at those tensors.

    Raises
    ------
    ModelError
        If there is no such model or tensor.
    ToolError
        If its format needs a package that is not installed.
    """
    with as_onnx(path) as file:
        if not options.outputs:
            yield file
            return
        with _ending_at(file, options.outputs) as cut:
            yield cut


@contextmanager
def _ending_at(path: Path, outputs: Sequence[str]) -> Iterator[Path]:
    cut = ending_at(read_onnx(path), outputs, str(path))
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / path.name
        large = cut.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF
        onnx.save(cut, str(written), save_as_external_data=large)
        yield written


def model_ports(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Port, ...]:
    """Inputs of a model, without importing it; they have no regions.

    Raises
    ------
    ModelError
        As the importers do of inputs, or if one is neither numbers nor bools.
    """
    return tuple(Port(i.name, i.shape, i.dtype, ()) for i in model_inputs(path, shapes))
