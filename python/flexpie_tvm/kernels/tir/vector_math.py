# SPDX-License-Identifier: Apache-2.0
"""exp, sigmoid, tanh and erf of float32 in vectors.

LLVM has no vector code for them: each element is a call of the C library, and in a loop with a
call nothing is a vector. Here they are arithmetic, which LLVM keeps in, or makes to, vectors.

The arithmetic uses values more than once. TVM has let-bindings for this, of which LLVM 22 takes
only integers; so values are stored in variables on the stack, which LLVM turns into registers.
Values within ``if_then_else`` may not be computed if the condition says so, such as reads beyond
a tensor's edge: what contains a function becomes a statement with branches.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import tir

from ...machine import VectorUnit
from ..target import current_unit
from . import approximations as approx

_FUNCTIONS = {
    f"tir.{function.__name__}": function
    for function in (approx.exp, approx.sigmoid, approx.tanh, approx.erf)
}
_CHOICE = "tir.if_then_else"
#: TVM does not vectorize loops with it.
_ERF = "tir.erf"
#: Options of a target by which LLVM may take apart how arguments are rounded.
_INEXACT = ("fast-math", "fast-math-reassoc")


def vector_erf() -> tvm.transform.Pass:
    """A pass over kernels before TVM vectorizes them, for ``tir.add_lower_pass``.

    Only for loops that TVM would not vectorize, and in which all is computed always.
    """

    def run(function: tir.PrimFunc, *_) -> tir.PrimFunc:
        if _unit() is None or not _has_erf(function.body):
            return function
        body = tir.stmt_functor.ir_transform(function.body, _vectorizable, None, ["tir.For"])
        return function.with_body(body)

    return tir.transform.prim_func_pass(run, opt_level=0, name="VectorErf")


def vector_math() -> tvm.transform.Pass:
    """A pass over kernels that are vectorized, for ``tir.add_lower_pass``."""

    def run(function: tir.PrimFunc, *_) -> tir.PrimFunc:
        unit = _unit()
        if unit is None:
            return function
        vectors = _vector_lanes(function.body)
        least = 1 if unit.finds_vectors else 2
        # TVM would let variables of other lanes share memory, and refuse that
        return function.with_body(
            _computed(function.body, max(vectors) if len(vectors) > 1 else least)
        )

    return tir.transform.prim_func_pass(run, opt_level=0, name="VectorMath")


def calls_functions(value: tir.PrimExpr) -> bool:
    """Whether an expression calls what is made arithmetic here."""
    return _has_function(tir.Evaluate(value), 1)


def _unit() -> VectorUnit | None:
    unit = current_unit()
    if unit is None or any(map(tvm.target.Target.current().attrs.get, _INEXACT)):
        return None
    return unit


def _vectorizable(loop: tir.For) -> tir.Stmt | None:
    if loop.kind != tir.ForKind.VECTORIZED or not _has_erf(loop.body):
        return None
    if _has(loop.body, "tir.Select", lambda _: True) or _has(loop.body, "tir.Call", _is_choice):
        return None
    body = _computed(loop.body, 1)
    kept = loop.thread_binding, loop.annotations
    return tir.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, *kept)


def _computed(body: tir.Stmt, least: int) -> tir.Stmt:
    """Statements with functions as arithmetic, those of vectors of at least so many lanes."""

    def visit(store: tir.BufferStore) -> tir.Stmt | None:
        value = tir.Evaluate(store.value)
        if not _has_function(value, least) or _has(value, "tir.Let", lambda _: True):
            return None
        steps = _Steps(least, [])
        last = tir.BufferStore(store.buffer, steps.of(store.value), store.indices, store.predicate)
        stored, always = tir.stmt_seq(*steps.done, last), tir.const(True, "bool")
        for variable in reversed(steps.variables):
            stored = tir.Allocate(variable.data, variable.dtype, variable.shape, always, stored)
        return stored

    if not _has_function(body, least):
        return body
    return tir.stmt_functor.ir_transform(body, visit, None, ["tir.BufferStore"])


class _Steps:
    """Statements before one that uses a value, and all variables that they need."""

    def __init__(self, least: int, variables: list[tir.Buffer]) -> None:
        self.least, self.variables, self.done = least, variables, []

    def of(self, value: tir.PrimExpr) -> tir.PrimExpr:
        """The value with functions as arithmetic, after these steps."""
        calls = ["tir.Call"]
        evaluated = tir.Evaluate(value)
        return tir.stmt_functor.ir_transform(evaluated, self._choice, self._function, calls).value

    def keep(self, value: tir.PrimExpr) -> tir.PrimExpr:
        """What is cheap to use more than once."""
        variable = self._variable(value.dtype)
        self.done.append(tir.BufferStore(variable, value, [0]))
        return tir.BufferLoad(variable, [0])

    def _variable(self, dtype: str) -> tir.Buffer:
        name = f"step{len(self.variables)}"
        # without a scope TVM would allocate it on the heap
        self.variables.append(tir.decl_buffer((1,), dtype, name, scope="global"))
        return self.variables[-1]

    def _choice(self, call: tir.Call) -> tir.PrimExpr | None:
        if not _is_choice(call) or not _has_function(tir.Evaluate(call), self.least):
            return None
        if call.dtype.startswith(("bool", "uint1x")):
            return call  # as a whole: TVM keeps truth values in no variables here
        condition, *values = call.args
        condition, variable = self.of(condition), self._variable(call.dtype)
        branches = []
        for value in values:
            steps = _Steps(self.least, self.variables)
            last = tir.BufferStore(variable, steps.of(value), [0])
            branches.append(tir.stmt_seq(*steps.done, last))
        self.done.append(tir.IfThenElse(condition, *branches))
        return tir.BufferLoad(variable, [0])

    def _function(self, call: tir.Call) -> tir.PrimExpr | None:
        if not _is_function(call, self.least):
            return None
        return _FUNCTIONS[call.op.name](self.keep(call.args[0]), self.keep)


def _is_choice(call: tir.Call) -> bool:
    return isinstance(call.op, tvm.ir.Op) and call.op.name == _CHOICE


def _has_erf(body: tir.Stmt) -> bool:
    return _has(body, "tir.Call", lambda call: _is_function(call, 1) and call.op.name == _ERF)


def _is_function(call: tir.Call, least: int) -> bool:
    if not isinstance(call.op, tvm.ir.Op) or call.op.name not in _FUNCTIONS:
        return False
    kind = tvm.DataType(call.dtype)
    return (kind.type_code, kind.bits) == (tvm.DataTypeCode.FLOAT, 32) and kind.lanes >= least


def _vector_lanes(body: tir.Stmt) -> set[int]:
    """The lanes of all vectors that functions are called with."""
    found: set[int] = set()

    def visit(call: tir.Call) -> None:
        if _is_function(call, 2):
            found.add(tvm.DataType(call.dtype).lanes)

    tir.stmt_functor.ir_transform(body, visit, None, ["tir.Call"])
    return found


def _has_function(body: tir.Stmt, least: int) -> bool:
    return _has(body, "tir.Call", lambda call: _is_function(call, least))


def _has(body: tir.Stmt, kind: str, asked: Callable[[tir.PrimExpr], bool]) -> bool:
    found = False

    def visit(node) -> None:
        nonlocal found
        found = found or asked(node)

    tir.stmt_functor.ir_transform(body, visit, None, [kind])
    return found
