# SPDX-License-Identifier: Apache-2.0
"""The model that a command works on, and what is known of it before it is imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from ..errors import ModelError
from ..frontend.onnx_model import fix_shapes, read_onnx
from ..frontend.onnx_outputs import ending_at
from ..runtime import Port
from .options import PlanOptions


@contextmanager
def model_file(path: Path, options: PlanOptions) -> Iterator[Path]:
    """The user's ONNX file; with ``--outputs`` a copy that ends at those tensors, while it lasts.

    Raises
    ------
    ModelError
        If there is no such model or tensor.
    """
    if not options.outputs:
        yield path
        return
    cut = ending_at(read_onnx(path), options.outputs, str(path))
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / path.name
        large = cut.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF
        onnx.save(cut, str(written), save_as_external_data=large)
        yield written


def model_ports(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Port, ...]:
    """Inputs of an ONNX file, without importing it; they have no regions.

    Raises
    ------
    ModelError
        As `load_onnx` does of inputs, or if one is neither numbers nor bools.
    """
    model = read_onnx(path)
    fixed = fix_shapes(model, dict(shapes), str(path))
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    return tuple(
        Port(name, shape, _dtype(kinds[name], name, path), ()) for name, shape in fixed.items()
    )


def _dtype(kind: int, name: str, path: Path) -> str:
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    except KeyError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        raise ModelError(
            f"input '{name}' of '{path}' is of {_kind_name(kind)}: give numbers or bools"
        )
    return str(dtype)


def _kind_name(kind: int) -> str:
    return onnx.TensorProto.DataType.Name(kind).lower()
