# SPDX-License-Identifier: Apache-2.0
"""A model of whatever kind, imported once: its module, its outputs' names, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import tvm
from tvm import relay

from ..errors import InputError
from ..kernels.context import build_context
from ..relay import bind_params
from ..relay.params import Params
from ..relay.rewrite import post_order
from .exported_program import as_onnx
from .file_kind import is_tflite
from .onnx_model import module_of, output_names, read_onnx
from .tflite_model import load_tflite, tflite_outputs

Model = tvm.IRModule | onnx.ModelProto | str | Path
Shape = tuple[int, ...]


@dataclass(frozen=True)
class ImportedModel:
    """A model as a module.

    Parameters
    ----------
    module : tvm.IRModule
        Of static shapes, with its weights as constants.
    outputs : tuple of str
        Names of its outputs, in order; empty if nobody has named them.
    source : Path, onnx.ModelProto or None
        The model itself, for engines that read it; None of a Relay module.
    """

    module: tvm.IRModule
    outputs: tuple[str, ...] = ()
    source: Path | onnx.ModelProto | None = None


def import_model(
    model: Model, shapes: Mapping[str, Shape] | None = None, params: Params | None = None
) -> ImportedModel:
    """Import a model.

    Parameters
    ----------
    model : tvm.IRModule, onnx.ModelProto, str or Path
        A Relay module; a model of ONNX; or the path of a file that `load_model` reads.
    shapes : mapping, optional
        Input name -> shape, for inputs of a file with dynamic dims.
    params : mapping, optional
        Weights of a Relay module, as ``relay.frontend`` gives them beside it.

    Returns
    -------
    model : ImportedModel
        A module of static shapes with its weights as constants.

    Raises
    ------
    ModelError
        If the file is missing or cannot be imported, or a dim stays dynamic.
    InputError
        If ``params`` does not fit or is for a file, or ``shapes`` is for a module.
    """
    if isinstance(model, tvm.IRModule):
        if shapes:
            raise InputError("shapes are for files: a module's are its own")
        return ImportedModel(_static(bind_params(model, params)))
    if params:
        raise InputError("params are for Relay modules: an ONNX model has its weights in itself")
    if isinstance(model, onnx.ModelProto):
        return _of_onnx(model, shapes, "the model", model)
    path = Path(model)
    if is_tflite(path):
        return ImportedModel(load_tflite(path, shapes), tuple(tflite_outputs(path)), path)
    with as_onnx(path) as file:
        read = read_onnx(file)
        return _of_onnx(read, shapes, str(file), path if file == path else read)


def _of_onnx(
    model: onnx.ModelProto,
    shapes: Mapping[str, Shape] | None,
    name: str,
    source: Path | onnx.ModelProto,
) -> ImportedModel:
    return ImportedModel(module_of(model, shapes, name), tuple(output_names(model)), source)


def _static(mod: tvm.IRModule) -> tvm.IRModule:
    """What TVM's importers leave dynamic is made static where it follows from constants."""
    mod = relay.transform.InferType()(mod)
    if not any(map(_is_dynamic, post_order(mod["main"].body))):
        return mod
    with build_context(laid_out=False):  # shapes are found by compiling small programs
        return relay.transform.InferType()(relay.transform.DynamicToStatic()(mod))


def _is_dynamic(expr: relay.Expr) -> bool:
    return not isinstance(expr, tvm.ir.Op) and relay.ty.is_dynamic(expr.checked_type)
