# SPDX-License-Identifier: Apache-2.0
"""Fold constants while a model is imported, with numpy.

The ONNX importer folds after every operator, and whenever it works out a shape. TVM compiles
a program for each such constant: half of a second for every matrix product of an attention
block. Numpy evaluates them at once, and what has been looked at is not looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relay
from tvm.relay.frontend import common

from ..passes.fold import fold_call

FoldConstant = Callable[..., relay.Expr]
#: Operators that are constant although their operand is not.
SHAPES = ("shape_of", "ndarray_size")


class ImportFolder:
    """Stands in for ``tvm.relay.frontend.common.fold_constant`` during one import.

    Parameters
    ----------
    fallback : callable
        Folds expressions with operators that numpy does not know.
    """

    def __init__(self, fallback: FoldConstant):
        self._fallback = fallback
        self._folded: dict[relay.Expr, relay.Expr] = {}

    def __call__(self, expr: relay.Expr, mod: tvm.IRModule | None = None) -> relay.Expr:
        """Fold an expression; its parts that were folded before are not looked at again."""
        hard = False
        todo = [expr]
        while todo:
            node = todo[-1]
            if node in self._folded:
                todo.pop()
                continue
            missing = [part for part in _parts(node) if part not in self._folded]
            if missing:
                todo += missing
                continue
            new = self._rebuilt(node)
            self._folded[node] = self._folded[new] = new
            hard = hard or _is_hard(new)
        folded = self._folded[expr]
        if hard:
            folded = self._folded[expr] = self._fallback(folded, mod)
        return folded

    def _rebuilt(self, node: relay.Expr) -> relay.Expr:
        parts = _parts(node)
        new = [self._folded[part] for part in parts]
        changed = any(not a.same_as(b) for a, b in zip(parts, new, strict=True))
        if isinstance(node, relay.Call):
            call = relay.Call(node.op, new, node.attrs, node.type_args, node.span)
            return _folded_call(call if changed else node)
        if isinstance(node, relay.Tuple):
            return relay.Tuple(new, node.span) if changed else node
        if isinstance(node, relay.TupleGetItem):
            if isinstance(new[0], relay.Tuple):
                return new[0].fields[node.index]
            return relay.TupleGetItem(new[0], node.index) if changed else node
        return node


def _folded_call(call: relay.Call) -> relay.Expr:
    if not _of_constants(call):
        return call
    kind = common.infer_type(call).checked_type
    return fold_call(call, kind) or call


def _parts(node: relay.Expr) -> list[relay.Expr]:
    """What an expression is made of, as far as this folder looks."""
    if isinstance(node, relay.Call):
        return list(node.args)
    if isinstance(node, relay.Tuple):
        return list(node.fields)
    return [node.tuple_value] if isinstance(node, relay.TupleGetItem) else []


def _is_hard(node: relay.Expr) -> bool:
    """True if TVM could fold what this folder could not."""
    if isinstance(node, relay.Call):
        return _of_constants(node) or getattr(node.op, "name", "") in SHAPES
    return not isinstance(
        node, relay.Constant | relay.Var | relay.Tuple | relay.TupleGetItem | relay.GlobalVar
    )


def _of_constants(call: relay.Call) -> bool:
    flat = [f for a in call.args for f in (a.fields if isinstance(a, relay.Tuple) else [a])]
    return isinstance(call.op, tvm.ir.Op) and all(isinstance(f, relay.Constant) for f in flat)
