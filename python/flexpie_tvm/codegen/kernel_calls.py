# SPDX-License-Identifier: Apache-2.0
"""An optimized module whose kernels are compiled elsewhere, and those kernels by themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import tvm
from tvm import relay
from tvm.relay.analysis import post_order_visit

_PREFIX = "tvmgen_default_fused"
_LONGEST, _DIGITS = 80, 16


@dataclass(frozen=True)
class OutlinedKernels:
    """A module that calls its kernels by name.

    Parameters
    ----------
    mod : tvm.IRModule
        With a declaration for each kernel; code generation makes a graph of it and no code.
    kernels : dict
        Symbol -> what it computes, a primitive function. Each is there once.
    keys : dict
        Symbol -> digest of the function and of what else decides its code.
    """

    mod: tvm.IRModule
    kernels: dict[str, relay.Function]
    keys: dict[str, str]


def outline_kernels(mod: tvm.IRModule, settings: str) -> OutlinedKernels:
    """Name the kernels of a module by what they compute.

    Parameters
    ----------
    mod : tvm.IRModule
        What ``relay.optimize`` returned: calls of primitive functions.
    settings : str
        What decides their code besides the functions; part of their keys.
    """
    outline = _Outline(settings)
    main = outline.visit(mod["main"])
    functions = {outline.vars[name]: _declared(f) for name, f in outline.kernels.items()}
    outlined = tvm.IRModule({**functions, relay.GlobalVar("main"): main}, attrs=mod.attrs)
    return OutlinedKernels(relay.transform.InferType()(outlined), outline.kernels, outline.keys)


class _Outline(relay.ExprMutator):
    """Puts a name in the place of each primitive function."""

    def __init__(self, settings: str) -> None:
        super().__init__()
        self.kernels: dict[str, relay.Function] = {}
        self.keys: dict[str, str] = {}
        self.vars: dict[str, relay.GlobalVar] = {}
        self._settings = settings

    def visit_call(self, call):
        if not _is_kernel(call.op):
            return super().visit_call(call)
        args = [self.visit(arg) for arg in call.args]
        return relay.Call(self._named(call.op), args, call.attrs, call.type_args, call.span)

    def visit_function(self, fn):
        primitive = fn.attrs is not None and "Primitive" in fn.attrs
        return fn if primitive else super().visit_function(fn)

    def _named(self, function: relay.Function) -> relay.GlobalVar:
        key = _key(function, self._settings)
        symbol = f"{_title(function)}_{key[:_DIGITS]}"
        if symbol not in self.vars:
            self.vars[symbol] = relay.GlobalVar(symbol)
            self.kernels[symbol], self.keys[symbol] = function, key
        return self.vars[symbol]


def _is_kernel(op: tvm.ir.RelayExpr) -> bool:
    """Whether something called is code of its own; a reshape is none, it shares its storage."""
    if not isinstance(op, relay.Function) or op.attrs is None:
        return False
    return "Primitive" in op.attrs and "relay.reshape_only" not in op.attrs


def _declared(function: relay.Function) -> relay.Function:
    """The function, told to be compiled elsewhere."""
    return function.with_attr("Extern", 1)


def _key(function: relay.Function, settings: str) -> str:
    # the text rounds numbers, which the hash does not; the hash may collide, which texts do not
    text = function.astext(show_meta_data=False)
    number = tvm.ir.structural_hash(function)
    return hashlib.sha256(f"{settings}\n{number}\n{text}".encode()).hexdigest()


def _title(function: relay.Function) -> str:
    """The operators, as TVM names a kernel."""
    names: list[str] = []

    def note(expr: tvm.ir.RelayExpr) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            names.append(expr.op.name.replace(".", "_"))

    post_order_visit(function.body, note)
    return "_".join([_PREFIX, *names])[:_LONGEST]
