# SPDX-License-Identifier: Apache-2.0
"""A model's answers by an engine that shares nothing with TVM, on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
from onnx.reference.op_run import OpRun

from ..errors import EngineError
from ..frontend.file_kind import is_tflite
from .compare import TOLERANCE, largest_error


class BatchNormalization(OpRun):
    """As in inference: the onnx package's own takes opsets 7 to 13 for training."""

    def _run(self, x, scale, bias, mean, var, epsilon=None, **_):
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scale, bias, mean, var = (v.reshape(shape) for v in (scale, bias, mean, var))
        return (((x - mean) / np.sqrt(var + epsilon) * scale + bias).astype(x.dtype),)


@dataclass(frozen=True)
class Reference:
    """Answers to hold others against.

    Parameters
    ----------
    engine : str
        Who computed them.
    answers : list of numpy.ndarray
        One for each output of the model.
    limit : float
        How far others may be from these, relative to their range.
    """

    engine: str
    answers: list[np.ndarray]
    limit: float = TOLERANCE


def reference(model: Path | bytes, inputs: Mapping[str, np.ndarray]) -> Reference:
    """Run a model on this machine by an engine of its format.

    That is onnxruntime for ONNX, or ONNX's own evaluator without it; LiteRT, if it is installed,
    for TensorFlow Lite.

    Parameters
    ----------
    model : Path or bytes
        A model file.
    inputs : mapping
        Input name -> array; what the model does not read is left out.

    Raises
    ------
    EngineError
        If none of them takes the model.
    """
    if not isinstance(model, bytes) and is_tflite(model):
        return _by_litert(model, inputs)
    try:
        return _by_onnxruntime(model, inputs)
    except Exception as error:  # not installed, or any reason of a foreign program
        first = _line(error)
    try:
        return Reference("ONNX's reference evaluator", _by_evaluator(model, inputs))
    except Exception as error:
        raise EngineError(f"onnxruntime: {first}; ONNX's evaluator: {_line(error)}") from None


def _by_onnxruntime(model: Path | bytes, inputs: Mapping[str, np.ndarray]) -> Reference:
    import onnxruntime as ort

    ort.set_default_logger_severity(4)  # failures are told by errors

    def answers(level: ort.GraphOptimizationLevel) -> list[np.ndarray]:
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        source = model if isinstance(model, bytes) else str(model)
        session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return session.run(None, _taken([i.name for i in session.get_inputs()], inputs))

    plain = answers(ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    best = answers(ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    # either of its answers may be off by as much as they differ
    return Reference("onnxruntime", best, max(TOLERANCE, 2 * largest_error(plain, best)))


def _by_litert(model: Path, inputs: Mapping[str, np.ndarray]) -> Reference:
    try:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(model))
        held = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}
        for name, array in inputs.items():
            interpreter.resize_tensor_input(held[name], array.shape)
        interpreter.allocate_tensors()
        for name, array in inputs.items():
            interpreter.set_tensor(held[name], array)
        interpreter.invoke()
        details = interpreter.get_output_details()
        return Reference("LiteRT", [interpreter.get_tensor(d["index"]) for d in details])
    except Exception as error:  # not installed, or any reason of a foreign program
        raise EngineError(f"LiteRT: {_line(error)}") from None


def _by_evaluator(model: Path | bytes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    loaded = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(str(model))
    evaluator = onnx.reference.ReferenceEvaluator(loaded, new_ops=[BatchNormalization])
    return evaluator.run(None, _taken(evaluator.input_names, inputs))


def _taken(names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: inputs[name] for name in names if name in inputs}


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
