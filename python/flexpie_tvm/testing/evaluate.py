# SPDX-License-Identifier: Apache-2.0
"""Run Relay functions operator by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import tvm
from tvm import relay

from ..kernels.context import build_context
from ..relay.attrs import plain_attrs
from ..relay.rewrite import post_order
from .kernels import KERNELS

Value = np.ndarray | list[np.ndarray]

# Quick to compile; the numbers are the same.
TARGET = "llvm -opt-level=0"


class Evaluator:
    """Evaluates single calls: numpy for what it knows, compiled by TVM for the rest.

    Compiled operators are kept, so one evaluator should serve many graphs.

    Parameters
    ----------
    use_numpy : bool
        False to compile every operator.
    """

    def __init__(self, use_numpy: bool = True):
        self._use_numpy = use_numpy
        self._compiled: dict[str, tvm.contrib.graph_executor.GraphModule] = {}

    def call(self, call: relay.Call, args: Sequence[Value]) -> Value:
        """The value of a call, given those of its arguments (lists stand for tuples)."""
        if call.op.name == "nn.dropout":  # nothing to compile: it passes its input on
            return [args[0], np.ones_like(args[0])]
        kernel = KERNELS.get(call.op.name) if self._use_numpy else None
        if kernel is None:
            return self._run(call, args)
        flat = _flatten(args)
        out = call.checked_type
        shape = tuple(int(n) for n in out.shape)
        with np.errstate(all="ignore"):
            value = np.asarray(kernel(plain_attrs(call), flat, shape), out.dtype, order="C")
        if value.shape != shape:
            raise AssertionError(f"{call.op.name} gave {value.shape}, its type says {shape}")
        return value

    def _run(self, call: relay.Call, args: Sequence[Value]) -> Value:
        exprs = [e for a in call.args for e in _fields(a)]
        # TVM wants to see the scales of quantized operators: their constants are compiled in.
        fixed = [call.op.name.startswith("qnn.") and isinstance(e, relay.Constant) for e in exprs]
        flat = _flatten(args)
        types = [
            f"{x.dtype}{list(x.shape)}" + (x.tobytes().hex() if stays else "")
            for x, stays in zip(flat, fixed, strict=True)
        ]
        key = f"{call.op.name} {plain_attrs(call)} {types}"
        if key not in self._compiled:
            self._compiled[key] = _compile(call, fixed)
        module = self._compiled[key]
        for k, value in enumerate(flat):
            if not fixed[k]:
                module.set_input(f"x{k}", tvm.nd.array(value))
        module.run()
        results = [module.get_output(k).numpy() for k in range(module.get_num_outputs())]
        return results if isinstance(call.checked_type, tvm.ir.TupleType) else results[0]


class Interpreter:
    """A function body, evaluated one expression at a time.

    Parameters
    ----------
    function : relay.Function
        Typed, data flow only.
    inputs : mapping
        Parameter name -> value.
    evaluator : Evaluator
        What evaluates calls.
    """

    def __init__(self, function: relay.Function, inputs: dict, evaluator: Evaluator):
        self._nodes = [n for n in post_order(function.body) if not isinstance(n, tvm.ir.Op)]
        self._inputs, self._evaluator = inputs, evaluator
        self._values: dict[relay.Expr, Value] = {}
        self._reads = {node: _operands(node) for node in self._nodes}
        self._uses = Counter(x for reads in self._reads.values() for x in reads)
        self._uses[function.body] += 1
        self._next = 0
        self._body = function.body

    @property
    def current(self) -> relay.Expr | None:
        """The expression that is evaluated next; None at the end."""
        return self._nodes[self._next] if self._next < len(self._nodes) else None

    @property
    def result(self) -> Value:
        """Value of the body, once all is evaluated."""
        return self._values[self._body]

    def operands(self) -> list[Value]:
        """Values that the current expression reads."""
        return [self._values[x] for x in self._reads[self.current]]

    def step(self) -> None:
        """Evaluate the current expression."""
        self.finish(self._value(self.current))

    def finish(self, value: Value) -> None:
        """Go on, with ``value`` as the current expression's."""
        node = self.current
        self._values[node] = value
        for operand in self._reads[node]:
            self._uses[operand] -= 1
            if not self._uses[operand]:
                del self._values[operand]
        self._next += 1

    def _value(self, node: relay.Expr) -> Value:
        if isinstance(node, relay.Var):
            return self._inputs[node.name_hint]
        if isinstance(node, relay.Constant):
            return node.data.numpy()
        if isinstance(node, relay.Tuple):
            return self.operands()
        if isinstance(node, relay.TupleGetItem):
            return self.operands()[0][node.index]
        return self._evaluator.call(node, self.operands())


def _operands(node: relay.Expr) -> list[relay.Expr]:
    if isinstance(node, relay.Call):
        return list(node.args)
    if isinstance(node, relay.Tuple):
        return list(node.fields)
    return [node.tuple_value] if isinstance(node, relay.TupleGetItem) else []


def _fields(arg: relay.Expr) -> list[relay.Expr]:
    """The expressions behind an argument; itself for each field of an opaque tuple."""
    if isinstance(arg, relay.Tuple):
        return list(arg.fields)
    kind = arg.checked_type
    return [arg] * len(kind.fields) if isinstance(kind, tvm.ir.TupleType) else [arg]


def _flatten(args: Sequence[Value]) -> list[np.ndarray]:
    return [x for a in args for x in (a if isinstance(a, list) else [a])]


def _compile(call: relay.Call, fixed: Sequence[bool]) -> tvm.contrib.graph_executor.GraphModule:
    """A module with inputs x0, x1, ... that evaluates one call; fixed operands stay in it."""
    operands: list[relay.Expr] = []

    def operand(expr: relay.Expr, kind: tvm.ir.TensorType) -> relay.Expr:
        position = len(operands)
        operands.append(expr if fixed[position] else relay.var(f"x{position}", kind))
        return operands[-1]

    args = []
    for arg in call.args:
        if isinstance(arg.checked_type, tvm.ir.TupleType):
            pairs = zip(_fields(arg), arg.checked_type.fields, strict=True)
            args.append(relay.Tuple([operand(f, kind) for f, kind in pairs]))
        else:
            args.append(operand(arg, arg.checked_type))
    params = [x for x, stays in zip(operands, fixed, strict=True) if not stays]
    body = relay.Call(call.op, args, call.attrs)
    return compile_module(tvm.IRModule.from_expr(relay.Function(params, body)))


def compile_module(mod: tvm.IRModule) -> tvm.contrib.graph_executor.GraphModule:
    """Compile a module quickly, ready to be run on this machine."""
    with tvm.target.Target(TARGET), tvm.transform.PassContext(opt_level=3):
        mod = relay.qnn.transform.Legalize()(relay.transform.InferType()(mod))
        mod = relay.qnn.transform.CanonicalizeOps()(mod)
        mod = relay.transform.Legalize()(mod)
    with build_context(laid_out=False, opt_level=0):
        factory = relay.build(mod, target=TARGET)
    return tvm.contrib.graph_executor.GraphModule(factory["default"](tvm.cpu()))
