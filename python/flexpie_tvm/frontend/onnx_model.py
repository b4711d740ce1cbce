# SPDX-License-Identifier: Apache-2.0
"""ONNX file -> static IRModule."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import tvm
from google.protobuf.message import DecodeError
from tvm import relay

from ..errors import ModelError
from ..kernels.context import build_context
from ..relay.diagnostics import collected_diagnostics
from .canonical import canonical
from .constant_sizes import check_constants
from .file_kind import foreign_kind
from .graph_importer import GraphImporter
from .onnx_importer import onnx_importer
from .onnx_integers import matching_signs

Shape = tuple[int, ...]


def load_onnx(path: str | Path, shapes: Mapping[str, Shape] | None = None) -> tvm.IRModule:
    """Import an ONNX model with its weights as constants.

    Parameters
    ----------
    path : str or Path
        The model.
    shapes : mapping, optional
        Input name -> shape; needed for inputs with dynamic dims.

    Returns
    -------
    mod : tvm.IRModule
        Static shapes; its inputs and results are the file's, in its order.

    Raises
    ------
    ModelError
        If the file is missing or not ONNX, a dim stays dynamic, a shape is for an unknown
        input or contradicts the model, or Relay cannot import an operator.
    """
    return module_of(read_onnx(path), shapes, str(path))


def module_of(
    model: onnx.ModelProto, shapes: Mapping[str, Shape] | None, path: str
) -> tvm.IRModule:
    """`load_onnx` of a model that was read; ``path`` is what errors call it."""
    return import_onnx(model, fix_shapes(model, dict(shapes or {}), path), path)


def read_onnx(path: str | Path) -> onnx.ModelProto:
    """Parse an ONNX file; ``ModelError`` if there is none."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder, but no artifact" if path.is_dir() else "does not exist"
        raise ModelError(f"model '{path}' {what}: give the path of an ONNX file")
    if kind := foreign_kind(path):
        raise ModelError(f"model '{path}' is not an ONNX file but {kind}")
    try:
        model = onnx.load(str(path))
    except (DecodeError, onnx.checker.ValidationError, ValueError, OSError) as error:
        raise ModelError(
            f"model '{path}' is not a readable ONNX file: {_one_line(error)}"
        ) from None
    if not model.graph.node:
        raise ModelError(f"model '{path}' is not an ONNX file (it has no graph)")
    return model


def output_names(model: onnx.ModelProto) -> list[str]:
    """Names of a model's outputs, in order."""
    return [value.name for value in model.graph.output]


def input_names(model: onnx.ModelProto) -> list[str]:
    """Names of a model's inputs (not of its weights), in order."""
    weights = {w.name for w in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name not in weights]


def fix_shapes(model: onnx.ModelProto, shapes: dict[str, Shape], path: str) -> dict[str, Shape]:
    """Static shape of every input, from the model and from what the user gives."""
    names = set(input_names(model))
    inputs = {v.name: v for v in model.graph.input if v.name in names}
    for name in shapes:
        if name not in inputs:
            known = ", ".join(inputs)
            raise ModelError(f"--shape {name}: the inputs of '{path}' are {known}")
    fixed = {}
    for name, value in inputs.items():
        if not name.isprintable():
            raise ModelError(f"input {name!r} of '{path}' has a name that nobody can give")
        if not value.type.HasField("tensor_type"):
            raise ModelError(f"input '{name}' of '{path}' is not a tensor")
        if not value.type.tensor_type.HasField("shape"):
            if name not in shapes:
                raise ModelError(
                    f"input '{name}' of '{path}' has no shape: give --shape {name}=..."
                )
            fixed[name] = shapes[name]
            continue
        dims = value.type.tensor_type.shape.dim
        known = [d.dim_value if d.dim_value > 0 else None for d in dims]
        given = shapes.get(name)
        if given is None:
            _require_elements(name, dims, path)
            _require_static(name, dims, known, path)
            given = tuple(known)
        elif len(given) != len(known) or any(
            k is not None and k != g for k, g in zip(known, given, strict=True)
        ):
            raise ModelError(
                f"--shape {name}={_text(given)} does not fit the model's {_dims_text(dims)}"
            )
        fixed[name] = given
    return fixed


def import_onnx(model: onnx.ModelProto, shapes: Mapping[str, Shape], path: str) -> tvm.IRModule:
    """ONNX -> Relay, all shapes static."""
    # Shapes are found by compiling small programs: under the context of every other build.
    context = build_context(laid_out=False, opt_level=2)
    quietly = warnings.catch_warnings()
    with quietly, collected_diagnostics() as complaints, context:
        warnings.simplefilter("ignore")  # what is wrong with a model is said by the error
        try:
            check_constants(model)
            importer = GraphImporter(onnx_importer())
            mod = importer.module(canonical(matching_signs(model), shapes, importer.knows))
            mod = relay.transform.InferType()(mod)
            return relay.transform.DynamicToStatic()(mod)
        except ModelError as error:
            reason = " ".join(str(error).split())  # a damaged name may hold ends of lines
            if complaints and "cannot be converted" in reason:
                reason = f"{reason.split(' cannot be')[0]}: {complaints[0][:300]}"
            raise ModelError(f"model '{path}' cannot be imported: {reason}") from None
        except Exception as error:  # the importer's own mistakes on a bad model are of any type
            reason = complaints[0][:300] if complaints else _one_line(error)
            raise ModelError(f"Relay cannot import '{path}': {reason}") from None


def _require_elements(name: str, dims, path: str) -> None:
    if any(d.HasField("dim_value") and d.dim_value == 0 for d in dims):
        raise ModelError(
            f"input '{name}' of '{path}' is {_sizes_text(dims)}: a tensor without elements; "
            f"give --shape {name}=... if a 0 stands for any size"
        )


def _require_static(name: str, dims, known: list[int | None], path: str) -> None:
    if None not in known:
        return
    example = "x".join("?" if k is None else str(k) for k in known)
    raise ModelError(
        f"input '{name}' of '{path}' has dynamic dims {_dims_text(dims)}: "
        f"give --shape {name}={example} with numbers for each ?"
    )


def _dims_text(dims) -> str:
    texts = [str(d.dim_value) if d.dim_value > 0 else d.dim_param or "?" for d in dims]
    return "[" + ", ".join(texts) + "]"


def _sizes_text(dims) -> str:
    return "[" + ", ".join(d.dim_param or str(d.dim_value) for d in dims) + "]"


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
