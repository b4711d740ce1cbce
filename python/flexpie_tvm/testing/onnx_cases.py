# SPDX-License-Identifier: Apache-2.0
"""The single-operator models of the onnx package's backend test suite, with their answers.

Every case is a model, inputs and the outputs that the ONNX standard expects. They say what an
operator means without asking TVM, so they check the importer, pre-optimization and cutting at
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import tvm
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from ..errors import ModelError
from ..frontend.onnx_model import fix_shapes, import_onnx
from ..relay import import_module

INTEGERS = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
TYPES = (
    *INTEGERS,
    onnx.TensorProto.INT8,
    onnx.TensorProto.INT16,
    onnx.TensorProto.UINT8,
    onnx.TensorProto.UINT16,
    onnx.TensorProto.UINT32,
    onnx.TensorProto.UINT64,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.DOUBLE,
)


@dataclass(frozen=True)
class OnnxCase:
    """A model of the suite that Relay's importer accepts.

    Parameters
    ----------
    name : str
        Such as ``test_conv_with_strides_padding``.
    module : tvm.IRModule
        The imported model, static shapes.
    inputs : dict
        Name -> value.
    expected : list of numpy.ndarray
        What the suite ships as outputs.
    rtol, atol : float
        The suite's tolerances.
    """

    name: str
    module: tvm.IRModule
    inputs: dict[str, np.ndarray]
    expected: list[np.ndarray]
    rtol: float
    atol: float


def case_names() -> list[str]:
    """Names of all node cases, sorted."""
    return sorted(_cases())


def load_case(name: str) -> OnnxCase:
    """Import one case.

    Some inputs are shapes, axes or scales, which an importer must know. Where the model does
    not import without them, integer inputs behind the first become constants; where that
    does not help, all inputs behind the first.

    Raises
    ------
    ModelError
        If the importer refuses the model, its shapes stay dynamic, its inputs or outputs are
        not tensors of numpy's types, or it has control flow.
    """
    case = _cases()[name]
    folder = Path(case.model_dir)
    model = onnx.load(str(folder / "model.onnx"))
    odd = [v.name for v in model.graph.output if not v.type.HasField("tensor_type")]
    if odd:
        raise ModelError(f"output '{odd[0]}' is not a tensor")
    data = folder / "test_data_set_0"
    values = _tensors(data, "input", [v.name for v in model.graph.input])
    expected = _tensors(data, "output", [v.name for v in model.graph.output])
    later = list(values)[1:]
    integers = [n for n in later if values[n].data_type in INTEGERS]
    module = _first_import(model, name, ([], integers, later), values)
    inputs = {
        v.name_hint: _array(values[v.name_hint], v.checked_type.dtype)
        for v in module["main"].params
    }
    outputs = [numpy_helper.to_array(t) for t in expected.values()]
    return OnnxCase(name, module, inputs, outputs, case.rtol, case.atol)


def _imported(model: onnx.ModelProto, name: str) -> tvm.IRModule:
    module = import_onnx(model, fix_shapes(model, {}, name), name)
    import_module(module)  # refuses control flow and shapes that are still dynamic
    return module


@cache
def _cases() -> dict:
    return {case.name: case for case in load_model_tests(kind="node")}


def _tensors(folder: Path, what: str, names: list[str]) -> dict[str, onnx.TensorProto]:
    """Values of a case's inputs or outputs, without those left out (optional ones)."""
    found = {}
    for k, name in enumerate(names):
        path = folder / f"{what}_{k}.pb"
        if path.is_file():
            found[name] = onnx.TensorProto.FromString(path.read_bytes())
            if found[name].data_type not in TYPES:
                kind = onnx.TensorProto.DataType.Name(found[name].data_type)
                raise ModelError(f"{what} {k} is {kind}, a type that numpy lacks")
    return found


def _first_import(
    model: onnx.ModelProto,
    name: str,
    choices: Iterable[Sequence[str]],
    values: dict[str, onnx.TensorProto],
) -> tvm.IRModule:
    """The module of the first choice of constant inputs with which the model imports."""
    refusals = []
    for frozen in dict.fromkeys(map(tuple, choices)):
        tried = onnx.ModelProto()
        tried.CopyFrom(model)
        for key in frozen:
            weight = tried.graph.initializer.add()
            weight.CopyFrom(values[key])
            weight.name = key
        try:
            return _imported(tried, name)
        except ModelError as refusal:
            refusals.append(refusal)
    raise refusals[-1]


def _array(tensor: onnx.TensorProto, dtype: str) -> np.ndarray:
    value = numpy_helper.to_array(tensor)
    if value.dtype != dtype:
        raise ModelError(f"an input of type {value.dtype} was imported as {dtype}")
    return value
