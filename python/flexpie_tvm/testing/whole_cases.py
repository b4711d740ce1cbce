# SPDX-License-Identifier: Apache-2.0
"""Cases of the ONNX standard's suite on one board, with inputs that vary and with frozen ones.

What an importer reads of a constant it may read in another way than what it reads of an input,
and small inputs are constants in most models: bounds, axes, scales, lengths.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

from ..errors import ModelError
from ..frontend.onnx_model import fix_shapes, import_onnx
from ..relay import import_module
from .tiles import run_module

#: Operators that draw numbers: the suite's are others.
RANDOM = ("Bernoulli", "RandomNormalLike", "RandomUniformLike")
#: The newest files that onnxruntime reads.
IR_VERSION = 10
#: An input of more elements than this is data, not a parameter.
SMALL = 64
#: Operators whose inputs say how large a result is or how often something is done, and how many
#: of them do: constants in every model that boards can run. Of others, all but the first may be.
PARAMETERS = {
    "BlackmanWindow": 1, "ConstantOfShape": 1, "HammingWindow": 1, "HannWindow": 1, "Loop": 2,
    "MelWeightMatrix": 5, "Range": 3,
}  # fmt: skip


@dataclass(frozen=True)
class WholeCase:
    """A case in one of its forms.

    Parameters
    ----------
    name : str
        The suite's.
    operator : str
        Of its first node.
    opset : int
        Version of the standard.
    model : onnx.ModelProto
        The model, some inputs frozen.
    inputs : dict
        Name -> value of the others.
    expected : list of numpy.ndarray
        What the suite ships.
    rtol, atol : float
        The suite's tolerances.
    """

    name: str
    operator: str
    opset: int
    model: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    expected: list[np.ndarray]
    rtol: float
    atol: float


def operator_of(case: TestCase) -> tuple[str, int]:
    """Operator of a case's first node, and version of the standard."""
    model = onnx.load(str(Path(case.model_dir) / "model.onnx"))
    return _operator(model)


def whole_case(case: TestCase, frozen: bool) -> WholeCase:
    """Read a case, its small inputs behind the first (and all integers there) frozen or not.

    Raises
    ------
    ModelError
        If an input or output is not a tensor.
    """
    folder = Path(case.model_dir)
    model = onnx.load(str(folder / "model.onnx"))
    for value in [*model.graph.input, *model.graph.output]:
        if not value.type.HasField("tensor_type"):
            raise ModelError(f"'{value.name}' is not a tensor")
        if value.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16:
            raise ModelError(f"the suite has other numbers for bfloat16 '{value.name}'")
    data = folder / "test_data_set_0"
    names = [v.name for v in model.graph.input]
    inputs = _values(data, "input", names)
    expected = _values(data, "output", [v.name for v in model.graph.output])
    if frozen:
        known = PARAMETERS.get(model.graph.node[0].op_type)
        for name in list(inputs)[1:] if known is None else list(inputs)[:known]:
            if inputs[name].size <= SMALL or inputs[name].dtype.kind in "bi":
                weight = model.graph.initializer.add()
                weight.CopyFrom(_tensor(data, "input", names.index(name)))
                weight.name = name
                del inputs[name]
    operator, opset = _operator(model)
    outputs = list(expected.values())
    return WholeCase(case.name, operator, opset, model, inputs, outputs, case.rtol, case.atol)


def _operator(model: onnx.ModelProto) -> tuple[str, int]:
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    return model.graph.node[0].op_type, opset


def outcome(case: WholeCase, run: bool = True) -> tuple[str, str]:
    """What becomes of a case, in a word, and why.

    Parameters
    ----------
    case : WholeCase
        The case.
    run : bool
        Whether to compile it and compare answers.

    Returns
    -------
    what, why : str
        ``right``, ``imported`` (if it is not run), ``refused``, ``uncompiled``, ``random``,
        ``engine`` (onnxruntime's answer, not the suite's) or ``wrong``.
    """
    try:
        mod = import_onnx(case.model, fix_shapes(case.model, {}, case.name), case.name)
        import_module(mod)
    except ModelError as error:
        return "refused", str(error).split("cannot be imported: ")[-1]
    if not run:
        return "imported", ""
    given = {v.name_hint for v in mod["main"].params}
    try:
        answers = run_module(mod, {n: v for n, v in case.inputs.items() if n in given})
    except Exception as error:  # compilers fail in ways of their own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return "uncompiled", lines[-1][:200] if lines else type(error).__name__
    if case.operator in RANDOM:
        return "random", "drawn, so there is nothing to compare"
    what, why = _compared(answers, case.expected, case)
    if what == "wrong" and _compared(answers, _by_onnxruntime(case), case)[0] == "right":
        return "engine", f"as onnxruntime; of the suite {why}"
    return what, why


def _by_onnxruntime(case: WholeCase) -> list[np.ndarray]:
    """Its answers; none where it refuses the model."""
    import onnxruntime as ort

    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options)
        return session.run(None, case.inputs)
    except Exception:  # whatever it has against a model
        return []


def _compared(
    answers: list[np.ndarray], expected: list[np.ndarray], case: WholeCase
) -> tuple[str, str]:
    if len(answers) != len(expected):
        return "wrong", f"{len(answers)} results, not {len(expected)}"
    for k, (mine, theirs) in enumerate(zip(answers, expected, strict=True)):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return "wrong", f"{mine.dtype} {mine.shape}, not {theirs.dtype} {theirs.shape}"
        a, b = mine.astype("float64"), theirs.astype("float64")
        finite = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        atol = max(case.atol, 1e-6 * float(finite))
        if not np.allclose(a, b, max(case.rtol, 1e-4), atol, equal_nan=True):
            with np.errstate(invalid="ignore"):
                return "wrong", f"result {k} differs by {np.nanmax(np.abs(a - b)):.2g}"
    return "right", ""


def _tensor(folder: Path, what: str, k: int) -> onnx.TensorProto:
    return onnx.TensorProto.FromString((folder / f"{what}_{k}.pb").read_bytes())


def _values(folder: Path, what: str, names: list[str]) -> dict[str, np.ndarray]:
    found = {}
    for k, name in enumerate(names):
        path = folder / f"{what}_{k}.pb"
        if path.is_file():
            tensor = _tensor(folder, what, k)
            try:
                found[name] = numpy_helper.to_array(tensor)
            except ValueError as error:  # numbers of 4 bits, where their number is odd
                raise ModelError(f"{what} {k} cannot be read: {error}") from None
    return found
