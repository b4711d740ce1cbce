# SPDX-License-Identifier: Apache-2.0
"""One pass over the nodes of an ONNX graph: what is known of every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import ModelError
from .control_flow import Body, both_branches, written_out_branch, written_out_loop
from .evaluate_node import evaluated
from .functions import body_of, written_out
from .inference_fixes import corrected
from .node_order import Step
from .scan import written_out_scan
from .window_checks import check_window

STANDARD = ("", "ai.onnx")
#: A constant of more elements than this is no shape, axis or scale that types depend on.
SMALL = 4096
#: A tensor of more elements than this is computed when it is needed.
LARGE = 1 << 24


class Walk:
    """One pass over nodes in order; what is known of every value so far.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    imported : callable
        Whether the importer knows a node's operator.

    Attributes
    ----------
    constants : dict
        Name -> value.
    types : dict
        Name -> type, as far as inference knows it.
    steps : list of Step
        What is to be imported so far.
    """

    def __init__(self, model: onnx.ModelProto, imported: Callable[[Step], bool]):
        self.opsets = {
            "" if o.domain in STANDARD else o.domain: o.version for o in model.opset_import
        }
        self.constants: dict[str, onnx.TensorProto] = {}
        self.types: dict[str, onnx.TypeProto] = {}
        self.steps: list[Step] = []
        self._imported, self._ir_version = imported, max(model.ir_version, 3)
        self._written = 0

    def add_constants(self, found: Mapping[str, onnx.TensorProto]) -> None:
        """Remember values."""
        for name, tensor in found.items():
            self.constants[name], self.types[name] = tensor, type_of(tensor)

    def visit(self, step: Step) -> None:
        """Take up a node, or what stands in its place."""
        if step.node.domain in STANDARD and onnx.defs.has(step.node.op_type, step.opset):
            self._check(step)
            found = self._known(step)
            if found is not None:
                self.add_constants(found)
                return
            inside = self._written_out(step)
            if inside is not None:
                for inner in inside:
                    self.visit(inner)
                if step.node.op_type == "If":
                    self._check_branches(step, inside)
                return
            self._infer(step)
        self.steps.append(step)

    def lookup(self, name: str) -> np.ndarray | None:
        """The value of a constant, or None."""
        tensor = self.constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _written_out(self, step: Step) -> list[Step] | None:
        """What stands for a node that cannot be imported; None for one that can."""
        node = step.node
        body = self._control(step)
        if body is not None:
            self.add_constants(body.constants)
            return [Step(inner, step.opset) for inner in body.nodes]
        if self._imported(step):
            return None
        types = [self.types.get(name, onnx.TypeProto()) for name in node.input]
        function = body_of(node, step.opset, types)
        if function is None:
            return None
        version = next((o.version for o in function.opset_import if not o.domain), step.opset)
        return [Step(n, version) for n in written_out(node, function, self._prefix(node))]

    def _prefix(self, node: onnx.NodeProto) -> str:
        self._written += 1
        return f"{node.name or node.op_type}/{self._written}/"

    def _check(self, step: Step) -> None:
        context = onnx.checker.C.CheckerContext()
        context.ir_version = self._ir_version
        context.opset_imports = {**self.opsets, "": step.opset}
        # an operator that is deprecated is one that the importer may know all the same
        if onnx.defs.get_schema(step.node.op_type, step.opset).deprecated:
            return
        if any(a.type in (a.GRAPH, a.GRAPHS) for a in step.node.attribute):
            return
        try:
            onnx.checker.check_node(step.node, context)
        except onnx.checker.ValidationError as error:
            raise ModelError(
                f"{step.text} is not valid ONNX: {str(error).splitlines()[0]}"
            ) from None

    def _known(self, step: Step) -> dict[str, onnx.TensorProto] | None:
        """Values of a node that depend on no input."""
        node = step.node
        if node.op_type in ("Shape", "Size"):
            shape = static_shape(self.types.get(node.input[0]))
            if shape is not None:
                value = _shape_value(node, shape)
                return {node.output[0]: numpy_helper.from_array(value, node.output[0])}
        names = [name for name in node.input if name]
        if any(name not in self.constants for name in names):
            return None
        if any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
            return None
        inputs = {name: self.constants[name] for name in names}
        sizes = [np.prod(t.dims, dtype=int) for t in inputs.values()]
        if max(sizes, default=0) > LARGE:
            return None
        return evaluated(node, step.opset, inputs)

    def _control(self, step: Step) -> Body | None:
        """What a branch or a loop does; None for other nodes."""
        node = step.node
        if node.op_type == "If":
            body = written_out_branch(node, self.lookup, self._prefix(node))
            # engines choose between values since opset 9
            if body is None and step.opset >= 9:
                body = both_branches(node, self._prefix(node))
        elif node.op_type == "Loop":
            body = written_out_loop(node, self.lookup, self._prefix(node), step.opset)
        elif node.op_type == "Scan":
            body = written_out_scan(node, self._shape, self._prefix(node), step.opset)
        elif node.op_type == "SequenceMap":
            body = None
        else:
            return None
        if body is None:
            raise ModelError(
                f"{step.text} depends on data: boards need a program without branches and loops"
            )
        return body

    def _shape(self, name: str) -> tuple[int, ...] | None:
        return static_shape(self.types.get(name))

    def _check_branches(self, step: Step, inside: list[Step]) -> None:
        """Refuse a choice between results of other shapes, which would be broadcast."""
        for inner in inside:
            if inner.node.op_type == "Where" and inner.node.output[0] in step.node.output:
                yes, no = (self._shape(name) for name in inner.node.input[1:])
                if yes is None or yes != no:
                    raise ModelError(
                        f"{step.text} depends on data, and its branches give results of shapes "
                        f"{list(yes or '?')} and {list(no or '?')}: boards need one"
                    )

    def _infer(self, step: Step) -> None:
        node = step.node
        schema = onnx.defs.get_schema(node.op_type, step.opset)
        names = [name for name in node.input if name]
        if schema.deprecated or any(name not in self.types for name in names):
            return
        small = {
            name: self.constants[name]
            for name in names
            if name in self.constants and np.prod(self.constants[name].dims) <= SMALL
        }
        check_window(step.text, node, [_rank(self.types.get(name)) for name in node.input])
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema,
                node,
                {name: self.types[name] for name in names},
                small,
                opset_imports=[helper.make_opsetid("", step.opset)],
                ir_version=self._ir_version,
            )
        except onnx.shape_inference.InferenceError as error:
            reason = str(error).splitlines()[0]
            raise ModelError(f"{step.text} does not fit its inputs: {reason}") from None
        first = static_shape(self.types[names[0]]) if names else None
        self.types.update(corrected(node, found, first))


def static_shape(kind: onnx.TypeProto | None) -> tuple[int, ...] | None:
    """A type's shape if all of it is known."""
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if not all(d.HasField("dim_value") for d in dims):
        return None
    return tuple(d.dim_value for d in dims)


def _rank(kind: onnx.TypeProto | None) -> int | None:
    """Axes of a type, also where sizes are open."""
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return len(kind.tensor_type.shape.dim)


def _shape_value(node: onnx.NodeProto, shape: tuple[int, ...]) -> np.ndarray:
    if node.op_type == "Size":
        return np.array(np.prod(shape, dtype="int64"), "int64")
    given = {a.name: a.i for a in node.attribute}
    return np.array(shape[slice(given.get("start"), given.get("end"))], "int64")


def type_of(tensor: onnx.TensorProto) -> onnx.TypeProto:
    """The type of a constant."""
    return helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
