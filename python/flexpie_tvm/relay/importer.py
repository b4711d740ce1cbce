# SPDX-License-Identifier: Apache-2.0
"""IRModule -> LayerGraph, and the Relay calls behind the graph's operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import tvm
from tvm import relay

from ..errors import ModelError
from ..graph import Axes, Graph, Op, Tensor, fuse_layers
from ..plan import Choice
from ..plan.predict.body_work import body_work
from ..rules import default_axes, rule_for
from . import partition_op
from .attrs import plain_attrs
from .layout import layout_of
from .recurrent_op import is_recurrent, weights_of
from .rewrite import post_order

DATA_FLOW = (
    relay.Constant,
    relay.Call,
    relay.Tuple,
    relay.TupleGetItem,
    relay.Var,
    tvm.ir.Op,
)


@dataclass
class Imported:
    """A layer graph with the Relay expressions that it stands for.

    Parameters
    ----------
    graph : Graph
        The layer graph.
    module : tvm.IRModule
        The module whose main function was read.
    calls : dict
        Operator id -> Relay call.
    constants : dict
        Tensor id -> Relay constant.
    choices : dict
        Tensor id -> Choice, from annotations.
    """

    graph: Graph
    module: tvm.IRModule
    calls: dict[int, relay.Call] = field(default_factory=dict)
    constants: dict[int, relay.Constant] = field(default_factory=dict)
    choices: dict[int, Choice] = field(default_factory=dict)

    @property
    def main(self) -> relay.Function:
        """The function that was read."""
        return self.module["main"]

    @property
    def layout(self) -> str | None:
        """Of the module, if it is chosen (`layout_of`)."""
        return layout_of(self.module)


def import_module(mod: tvm.IRModule) -> Imported:
    """Read the main function of a module.

    Parameters
    ----------
    mod : tvm.IRModule
        Static shapes; parameters bound as constants (other variables are inputs).

    Returns
    -------
    imported : Imported
        The module's layers, and for each operator the call that it came from.

    Raises
    ------
    ModelError
        For dynamic shapes and control flow.
    """
    mod = relay.transform.InferType()(mod)
    main = mod["main"]
    nodes = post_order(main.body)
    _require_data_flow(nodes)
    reader = _Reader()
    for var in main.params:
        reader.add_input(var)
    for node in nodes:
        reader.visit(node)
    outputs = tuple(reader.tensors_of(main.body))
    graph = Graph.make(
        tuple(reader.tensors),
        tuple(reader.ops),
        tuple(reader.inputs),
        outputs,
    )
    graph = fuse_layers(graph, lambda op: rule_for(op).pointwise)
    return Imported(graph, mod, reader.calls, reader.constants, reader.choices)


def _require_data_flow(nodes: list[relay.Expr]) -> None:
    """Refuse conditions, loops and functions, also those whose bodies were visited already."""
    for node in nodes:
        if isinstance(node, relay.Call) and isinstance(node.op, tvm.ir.GlobalVar):
            raise ModelError(
                f"the model calls the function '{node.op.name_hint}': inline it "
                "(relay.transform.Inline) before it is partitioned"
            )
    for node in nodes:
        if not isinstance(node, DATA_FLOW):
            kind = type(node).__name__
            raise ModelError(f"the model has a {kind} expression: only data flow can be cut")
        if isinstance(node, relay.Call) and not isinstance(node.op, tvm.ir.Op):
            raise ModelError("the model calls a function: inline it before it is partitioned")


def _shape(checked: tvm.ir.Type, what: str) -> tuple[int, ...]:
    shape = []
    for size in checked.shape:
        if not isinstance(size, tvm.tir.IntImm):
            raise ModelError(f"{what} has a dynamic shape {checked.shape}: fix its input shapes")
        shape.append(int(size))
    return tuple(shape)


class _Reader:
    """Collects tensors and operators while Relay visits a function body."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []
        self.calls: dict[int, relay.Call] = {}
        self.constants: dict[int, relay.Constant] = {}
        self.choices: dict[int, Choice] = {}
        self._values: dict[relay.Expr, list[int]] = {}
        self._counts: Counter[str] = Counter()
        self._visitors: dict[type, Callable] = {
            relay.Constant: self._constant,
            relay.Call: self._call,
            relay.Tuple: self._tuple,
            relay.TupleGetItem: self._item,
        }

    def tensors_of(self, expr: relay.Expr) -> list[int]:
        return self._values[expr]

    def add_input(self, var: relay.Var) -> None:
        if not isinstance(var.checked_type, tvm.ir.TensorType):
            raise ModelError(f"input {var.name_hint} is not a tensor")
        tensor = self._tensor(var.name_hint, var.checked_type, "input")
        self.inputs.append(tensor)
        self._values[var] = [tensor]

    def visit(self, expr: relay.Expr) -> None:
        visitor = self._visitors.get(type(expr))
        if visitor is not None:
            visitor(expr)

    def _tensor(self, name: str, checked: tvm.ir.Type, kind: str) -> int:
        shape = _shape(checked, name)
        tensor = Tensor(
            len(self.tensors), name, shape, str(checked.dtype), kind, default_axes(shape)
        )
        self.tensors.append(tensor)
        return tensor.id

    def _name(self, kind: str) -> str:
        short = kind.rsplit(".", 1)[-1].removeprefix("contrib_")
        number = self._counts[short]
        self._counts[short] += 1
        return f"{short}_{number}"

    def _constant(self, expr: relay.Constant) -> None:
        tensor = self._tensor(self._name("constant"), expr.checked_type, "constant")
        self.constants[tensor] = expr
        self._values[expr] = [tensor]

    def _tuple(self, expr: relay.Tuple) -> None:
        self._values[expr] = [t for item in expr.fields for t in self._values[item]]

    def _item(self, expr: relay.TupleGetItem) -> None:
        self._values[expr] = [self._values[expr.tuple_value][expr.index]]

    def _call(self, call: relay.Call) -> None:
        inputs = tuple(t for arg in call.args for t in self._values[arg])
        if is_recurrent(call):
            self._operator(call, *self._with_body(call, inputs))
            return
        attrs = plain_attrs(call)
        if call.op.name == partition_op.NAME:
            self._values[call] = list(inputs)
            self.choices[inputs[0]] = partition_op.choice_of(attrs)
            return
        self._operator(call, call.op.name, inputs, attrs)

    def _with_body(
        self, call: relay.Call, inputs: tuple[int, ...]
    ) -> tuple[str, tuple[int, ...], dict]:
        """What a recurrent network is called, what it reads with its weights, and its work."""
        body, operator = call.attrs["body"], str(call.attrs["operator"])
        weights = weights_of(body)
        for constant in weights:
            if constant not in self._values:
                self._constant(constant)
        read = (*inputs, *(self._values[constant][0] for constant in weights))
        inside = import_module(tvm.IRModule.from_expr(body)).graph
        return operator.lower(), read, {"operator": operator, **body_work(inside)}

    def _operator(
        self, call: relay.Call, called: str, inputs: tuple[int, ...], attrs: dict
    ) -> None:
        name = self._name(called)
        types = _fields(call.checked_type)
        many = len(types) > 1
        outputs = tuple(
            self._tensor(f"{name}.{k}" if many else name, one, "op") for k, one in enumerate(types)
        )
        op = Op(
            id=len(self.ops),
            name=name,
            kind=call.op.name,
            attrs=attrs,
            inputs=inputs,
            outputs=outputs,
            in_shapes=tuple(self.tensors[t].shape for t in inputs),
            out_shapes=tuple(self.tensors[t].shape for t in outputs),
            dtype=self.tensors[outputs[0]].dtype,
        )
        self._give_axes(op)
        self.ops.append(op)
        self.calls[op.id] = call
        self._values[call] = list(outputs)

    def _give_axes(self, op: Op) -> None:
        known: list[Axes] = [self.tensors[t].axes for t in op.inputs]
        axes = rule_for(op).axes(op, known)
        for tensor in op.outputs[:1]:
            self.tensors[tensor] = replace(self.tensors[tensor], axes=axes)


def _fields(checked: tvm.ir.Type) -> list[tvm.ir.Type]:
    return list(checked.fields) if isinstance(checked, tvm.ir.TupleType) else [checked]
