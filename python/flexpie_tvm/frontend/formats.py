# SPDX-License-Identifier: Apache-2.0
"""Model files of any format that can be read: ONNX; TensorFlow Lite and PyTorch with packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import tvm

from ..errors import ModelError
from .exported_program import as_onnx
from .file_kind import is_tflite
from .imported_model import import_model
from .model_input import ModelInput
from .onnx_model import fix_shapes, read_onnx
from .onnx_model import input_names as onnx_input_names
from .tflite_model import tflite_inputs

Shape = tuple[int, ...]


def load_model(path: str | Path, shapes: Mapping[str, Shape] | None = None) -> tvm.IRModule:
    """Import a model with its weights as constants, as `load_onnx` or `load_tflite` does.

    Parameters
    ----------
    path : str or Path
        An ONNX file, a TensorFlow Lite one, or what ``torch.export.save`` wrote.
    shapes : mapping, optional
        Input name -> shape, for inputs with dynamic dims.

    Returns
    -------
    mod : tvm.IRModule
        Static shapes; its inputs are those of the file, by name.

    Raises
    ------
    ModelError
        If the file is missing or cannot be imported, or a dim stays dynamic.
    """
    return import_model(path, shapes).module


def input_names(path: str | Path) -> list[str]:
    """Names of a model's inputs, in order, also if their shapes are open."""
    if is_tflite(Path(path)):
        return [given.name for given in tflite_inputs(path)]
    with as_onnx(Path(path)) as file:
        return onnx_input_names(read_onnx(file))


def model_inputs(
    path: str | Path, shapes: Mapping[str, Shape] | None = None
) -> tuple[ModelInput, ...]:
    """Inputs of a model, without importing it.

    Raises
    ------
    ModelError
        As the importers do of inputs, or if one is neither numbers nor bools.
    """
    if is_tflite(Path(path)):
        return tflite_inputs(path, shapes)
    with as_onnx(Path(path)) as file:
        model = read_onnx(file)
    fixed = fix_shapes(model, dict(shapes or {}), str(path))
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    return tuple(
        ModelInput(name, shape, _dtype(kinds[name], name, path)) for name, shape in fixed.items()
    )


def _dtype(kind: int, name: str, path: str | Path) -> str:
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
    except KeyError:
        dtype = np.dtype(object)
    if dtype.kind not in "biuf":
        what = onnx.TensorProto.DataType.Name(kind).lower()
        raise ModelError(f"input '{name}' of '{path}' is of {what}: give numbers or bools")
    return str(dtype)
