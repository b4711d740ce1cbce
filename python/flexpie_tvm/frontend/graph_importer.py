# SPDX-License-Identifier: Apache-2.0
"""Canonical ONNX -> Relay, node by node: our converters first, TVM's for the others.

After each node, the type of every result is compared with what ONNX's own inference says: a
converter that misreads a node is found where it does, not by a wrong answer.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import onnx
import tvm
from onnx import helper, numpy_helper
from tvm import relay
from tvm.relay.frontend import common

from ..errors import ModelError
from .canonical import Canonical
from .canonical_walk import static_shape
from .converters import converter_of
from .converters.node import Node
from .element_types import relay_type
from .local_types import type_of
from .node_order import Step
from .static_shape import static_shape as relay_shape

#: Attributes that TVM's converters want of a node beside the standard's.
CUSTOM = "tvm_custom"


class GraphImporter:
    """Imports one model.

    Parameters
    ----------
    stock : module
        TVM's importer, or a copy of it.
    """

    def __init__(self, stock: ModuleType):
        self._stock = stock
        self._graph = stock.GraphProto({}, "float32", freeze_params=True, op_type_dict={})
        self._known: dict[int, dict[str, Any]] = {}
        self._values: dict[str, relay.Expr] = {}
        self._read: set[str] = set()

    def knows(self, step: Step) -> bool:
        """Whether a node has a converter."""
        node = step.node
        if converter_of(node.domain, node.op_type) is not None:
            return True
        return node.op_type in self._converters(step.opset)

    def module(self, model: Canonical) -> tvm.IRModule:
        """The model in Relay, weights as constants.

        Raises
        ------
        ModelError
            If a node has no converter, or is converted to another shape or type than ONNX's own.
        """
        inputs = [v.name for v in model.graph.input if v.name not in model.constants]
        for name in inputs:
            dtype = relay_type(model.types[name].tensor_type.elem_type, f"input '{name}'")
            self._values[name] = relay.var(name, shape=static_shape(model.types[name]), dtype=dtype)
        self._read = {name for step in model.steps for name in step.node.input}
        self._read |= {v.name for v in model.graph.output}
        for step in model.steps:
            if not self.knows(step):
                raise ModelError(f"{step.text}: the operator is not known")
            self._convert(step, model)
        outputs = [self._value(v.name, model) for v in model.graph.output]
        body = outputs[0] if len(outputs) == 1 else relay.Tuple(outputs)
        return tvm.IRModule.from_expr(relay.Function([self._values[name] for name in inputs], body))

    def _value(self, name: str, model: Canonical) -> relay.Expr:
        if name not in self._values:
            if name not in model.constants:
                raise ModelError(f"value '{name}' is computed nowhere")
            constant = model.constants[name]
            if relay_type(constant.data_type, f"constant '{name}'") == "bfloat16":
                raise ModelError(f"constant '{name}' is of type bfloat16, which numpy lacks")
            array = numpy_helper.to_array(constant)
            self._values[name] = relay.const(array, str(array.dtype))
        return self._values[name]

    def _convert(self, step: Step, model: Canonical) -> None:
        source = step.text
        self._mark_parameters(step, source, model)
        inputs = [self._value(name, model) if name else None for name in step.node.input]
        try:
            results = self._results(step, inputs)
        except ModelError:
            raise
        except Exception as error:  # converters and TVM's checker fail in ways of their own
            raise ModelError(f"{step.text} cannot be converted: {_one_line(error)}") from error
        missing = [name for name in step.node.output[len(results) :] if name in self._read]
        if missing:
            raise ModelError(f"{step.text}: result '{missing[0]}' is not known")
        # all at once: what two results share stays one expression
        together = self._stock.fold_constant(relay.Tuple(results))
        for name, result in zip(
            step.node.output, common.set_span(together, source).fields, strict=False
        ):
            if name and name in self._read:
                self._values[name] = checked_result(step, name, result, model.types.get(name))

    def _mark_parameters(self, step: Step, source: str, model: Canonical) -> None:
        """Tell TVM which node reads an input or a constant, before an expression is built of it."""
        for name in filter(None, step.node.input):
            value = self._value(name, model)
            if isinstance(value, relay.Var | relay.Constant):
                span = self._stock.make_parameter_span([source, name])
                self._values[name] = common.set_span(value, span)

    def _results(self, step: Step, inputs: list[relay.Expr | None]) -> list[relay.Expr]:
        node = step.node
        own = converter_of(node.domain, node.op_type)
        if own is not None:
            attributes = {a.name: _python(a) for a in node.attribute}
            found = own(
                Node(
                    node.op_type,
                    step.text,
                    step.opset,
                    inputs,
                    attributes,
                    [name if name in self._read else "" for name in node.output],
                    list(node.input),
                    lambda others, given: self._by_tvm(step, list(others), _tvm_s(given)),
                )
            )
        else:
            found = self._by_tvm(step, inputs, self._graph._parse_attr(node.attribute))
        return _as_list(found)

    def _by_tvm(self, step: Step, inputs: list, attributes: dict[str, Any]) -> relay.Expr:
        node = step.node
        attributes[CUSTOM] = {"name": node.name, "num_outputs": len(node.output)}
        operands = self._stock.onnx_input(inputs)
        return self._converters(step.opset)[node.op_type](operands, attributes, {})

    def _converters(self, opset: int) -> dict[str, Any]:
        if opset not in self._known:
            own = {
                name: lambda x, a, _, name=name: common.get_relay_op(name)(
                    *x, **{k: v for k, v in a.items() if k != CUSTOM}
                )
                for name in self._stock._identity_list
            }
            self._known[opset] = self._stock._get_convert_map(opset) | own
        return self._known[opset]


def _as_list(found: Any) -> list[relay.Expr]:
    if isinstance(found, relay.expr.TupleWrapper):
        tuple_ = found.astuple()
        if isinstance(tuple_, relay.Tuple):
            return list(tuple_.fields)
        return [found[k] for k in range(len(found))]
    return list(found) if isinstance(found, list | tuple) else [found]


def checked_result(
    step: Step, name: str, result: relay.Expr, kind: onnx.TypeProto | None
) -> relay.Expr:
    """A result of the type that ONNX's inference says.

    Raises
    ------
    ModelError
        If it is of another, or its shape depends on data.
    """
    found = type_of(result)
    if not isinstance(found, tvm.ir.TensorType):
        return result
    shape = relay_shape(result) if relay.ty.is_dynamic(found) else [int(n) for n in found.shape]
    if shape is None:
        ends = ", ".join(f"'{n}'" for n in step.node.input if n)
        raise ModelError(
            f"{step.text}: the shape of its result depends on data; "
            f"make its inputs ({ends}) the outputs of the model and do the rest on the host"
        )
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.elem_type:
        return result
    dtype = relay_type(kind.tensor_type.elem_type, f"result '{name}' of {step.text}")
    wanted = _dims(kind)
    if wanted is not None and len(wanted) != len(shape) and np.prod(shape, dtype=int) == 1:
        result, shape = relay.reshape(result, [1] * len(wanted)), [1] * len(wanted)
    agrees = wanted is None or (
        len(wanted) == len(shape)
        and all(w is None or w == n for w, n in zip(wanted, shape, strict=True))
    )
    if not agrees or found.dtype != dtype:
        have = f"{found.dtype} {list(shape)}"
        want = f"{dtype} {['?' if n is None else n for n in wanted or []]}"
        raise ModelError(
            f"{step.text} would be misread: its result '{name}' became {have}, ONNX says {want}"
        )
    return result


def _dims(kind: onnx.TypeProto) -> list[int | None] | None:
    if not kind.tensor_type.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else None for d in kind.tensor_type.shape.dim]


def _python(attribute: onnx.AttributeProto) -> Any:
    """An attribute's value as Python has it."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        return [text.decode() for text in value]
    return list(value) if attribute.type in (attribute.INTS, attribute.FLOATS) else value


def _tvm_s(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes as TVM's converters read them: texts as bytes, lists as tuples."""
    made: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, str):
            made[name] = value.encode()
        elif isinstance(value, list):
            made[name] = tuple(v.encode() if isinstance(v, str) else v for v in value)
        else:
            made[name] = value
    return made


#: What TVM's importer says where it needs the value of an input.
_VARIES = "All inputs to infer must be available in params"


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and lines[-1].startswith(_VARIES):
        return "one of its parameters must be a constant, but depends on data"
    return lines[-1][:300] if lines else type(error).__name__
