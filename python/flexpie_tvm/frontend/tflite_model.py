# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite file -> static IRModule, by TVM's importer and the package ``tflite``."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import tvm
from tvm import relay

from ..errors import ModelError
from ..kernels.context import build_context
from ..relay.diagnostics import collected_diagnostics
from .model_input import ModelInput

Shape = tuple[int, ...]
#: Convolutions, pools and resizes of TFLite have channels last; ours are cut and blocked as NCHW.
LAYOUTS = {
    "nn.conv2d": ["NCHW", "default"],
    "nn.conv2d_transpose": ["NCHW", "default"],
    "nn.max_pool2d": ["NCHW"],
    "nn.avg_pool2d": ["NCHW"],
    "nn.global_avg_pool2d": ["NCHW"],
    "image.resize2d": ["NCHW"],
    "qnn.conv2d": ["NCHW", "default"],
}


def load_tflite(path: str | Path, shapes: Mapping[str, Shape] | None = None) -> tvm.IRModule:
    """Import a TensorFlow Lite model with its weights as constants.

    Parameters
    ----------
    path : str or Path
        The model.
    shapes : mapping, optional
        Input name -> shape, for inputs with dynamic dims.

    Raises
    ------
    ModelError
        If the package ``tflite`` is missing, the file is damaged, a shape does not fit, or TVM
        cannot import an operator.
    """
    model = _read(path)
    inputs = _inputs(model, dict(shapes or {}), str(path))
    # Layouts are found by folding, which compiles: under the context of every other build.
    context = build_context(laid_out=False, opt_level=2)
    quietly = warnings.catch_warnings()
    with quietly, collected_diagnostics() as complaints, context:
        warnings.simplefilter("ignore")  # what is wrong with a model is said by the error
        try:
            mod, params = relay.frontend.from_tflite(
                model,
                shape_dict={i.name: i.shape for i in inputs},
                dtype_dict={i.name: i.dtype for i in inputs},
            )
            mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
            return _channels_first(_plain(mod))
        except Exception as error:  # the importer's own mistakes on a bad model are of any type
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            last = lines[-1] if lines else type(error).__name__
            reason = (complaints[0] if complaints else last)[:300]
            raise ModelError(f"TVM cannot import '{path}': {reason}") from None


def tflite_inputs(
    path: str | Path, shapes: Mapping[str, Shape] | None = None
) -> tuple[ModelInput, ...]:
    """Inputs of a TensorFlow Lite model, without importing it; raises as `load_tflite`."""
    return _inputs(_read(path), dict(shapes or {}), str(path))


def tflite_outputs(path: str | Path) -> list[str]:
    """Names of a TensorFlow Lite model's outputs, in order."""
    graph = _read(path).Subgraphs(0)
    return [graph.Tensors(k).Name().decode() for k in graph.OutputsAsNumpy()]


def _package() -> ModuleType:
    try:
        return importlib.import_module("tflite")
    except ModuleNotFoundError:
        raise ModelError(
            "TensorFlow Lite models need the package tflite: pip install 'flexpie-tvm[tflite]'"
        ) from None


def _read(path: str | Path):
    package = _package()
    try:
        model = package.Model.GetRootAsModel(Path(path).read_bytes(), 0)
        if model.SubgraphsLength() and model.Subgraphs(0).OutputsLength():
            return model
    except Exception as error:  # flatbuffers reads whatever offsets it finds
        raise ModelError(f"model '{path}' is damaged ({type(error).__name__})") from None
    raise ModelError(f"model '{path}' is damaged: it has no graph with outputs")


def _inputs(model, shapes: dict[str, Shape], path: str) -> tuple[ModelInput, ...]:
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(k) for k in graph.InputsAsNumpy()]
    names = [tensor.Name().decode() for tensor in tensors]
    for name in shapes:
        if name not in names:
            raise ModelError(f"--shape {name}: the inputs of '{path}' are {', '.join(names)}")
    return tuple(
        _input(name, tensor, shapes.get(name), path)
        for name, tensor in zip(names, tensors, strict=True)
    )


def _input(name: str, tensor, given: Shape | None, path: str) -> ModelInput:
    stored = tuple(map(int, tensor.ShapeAsNumpy()))
    signature = tensor.ShapeSignatureAsNumpy()
    known = stored if isinstance(signature, int) else tuple(map(int, signature))
    # what is open (-1) has a size in the file that the model was converted with
    if given is None:
        given = stored
    if len(given) != len(known) or any(k not in (-1, g) for k, g in zip(known, given, strict=True)):
        text = "x".join(map(str, given))
        raise ModelError(f"--shape {name}={text} does not fit the model's {list(known)}")
    kinds = {v: k for k, v in vars(_package().TensorType).items() if isinstance(v, int)}
    dtype = kinds[tensor.Type()].lower()
    if not dtype.startswith(("float", "int", "uint", "bool")):
        raise ModelError(f"input '{name}' of '{path}' is of {dtype}: give numbers or bools")
    return ModelInput(name, given, dtype)


def _plain(mod: tvm.IRModule) -> tvm.IRModule:
    """Without what only names outputs, and with a bias as a sum, which layouts pass through."""
    function = mod["main"]
    main = relay.Function(function.params, function.body, function.ret_type)
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(main))
    return relay.transform.CanonicalizeOps()(mod)


def _channels_first(mod: tvm.IRModule) -> tvm.IRModule:
    """Layout changes stay where a tensor is looked at as a list, such as before a reshape."""
    mod = relay.transform.ConvertLayout(LAYOUTS)(mod)
    return relay.transform.InferType()(relay.transform.FoldConstant()(mod))
