# SPDX-License-Identifier: Apache-2.0
"""Reductions along axes, which are an attribute or, since opsets 13 and 18, an input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tvm import relay

from .node import Converter, Node, integers, scalar


def reduced_axes(node: Node) -> list[int]:
    """Axes that a node reduces, sorted; all where it names none.

    Raises
    ------
    ModelError
        If they depend on data or are outside of the input.
    """
    rank = len(node.shape())
    given = node.known(1, "axes")
    axes = node.get("axes", []) if given is None else integers(given.ravel())
    if any(not -rank <= axis < rank for axis in axes):
        raise node.error(f"axes {list(axes)} of an input of {rank} axes")
    if axes:
        return sorted({axis % rank for axis in axes})
    return [] if node.get("noop_with_empty_axes", 0) else list(range(rank))


def reduction(node: Node) -> relay.Expr:
    """``Reduce...``, by the name of the operator."""
    axes, keep, dtype = reduced_axes(node), bool(node.get("keepdims", 1)), node.dtype()
    x, kind = node.inputs[0], node.operator.removeprefix("Reduce")
    if dtype == "bool":
        x = relay.cast(x, "uint8")
    if not axes:
        return _each_alone(node, kind)
    if kind in ("Max", "Min", "Prod"):
        result = getattr(relay, kind.lower())(x, axes, keep)
    elif kind == "Mean":
        result = _mean(x, axes, keep, node)
    elif kind == "LogSumExp":
        result = _log_sum_exp(x, axes, keep)
    else:
        result = relay.sum(BEFORE.get(kind, _same)(x), axes, keep)
        result = _in_floats(AFTER[kind], result, dtype) if kind in AFTER else result
    return relay.cast(result, dtype) if dtype == "bool" else result


def _each_alone(node: Node, kind: str) -> relay.Expr:
    """Sums of one element each."""
    alone = {"L1": relay.abs, "L2": relay.abs, "SumSquare": _square, "LogSum": relay.log}
    return alone[kind](node.inputs[0]) if kind in alone else node.unchanged()


def _log_sum_exp(x: relay.Expr, axes: Sequence[int], keep: bool) -> relay.Expr:
    """With the maximum taken out first; where that is infinite, the sum is."""
    top = relay.max(x, axes, True)
    finite = relay.where(relay.isfinite(top), top, relay.zeros_like(top))
    total = relay.log(relay.sum(relay.exp(x - finite), axes, True)) + finite
    return total if keep else relay.squeeze(total, list(axes))


def _in_floats(function: Converter, x: relay.Expr, dtype: str) -> relay.Expr:
    if dtype.startswith("float"):
        return function(x)
    return relay.cast(function(relay.cast(x, "float32")), dtype)


def _same(x: relay.Expr) -> relay.Expr:
    return x


def _square(x: relay.Expr) -> relay.Expr:
    return x * x


#: What becomes of elements before they are summed, and of the sum.
BEFORE = {"L1": relay.abs, "L2": _square, "SumSquare": _square}
AFTER = {"L2": relay.sqrt, "LogSum": relay.log}


def _mean(x: relay.Expr, axes: list[int], keep: bool, node: Node) -> relay.Expr:
    if node.dtype().startswith("float"):
        return relay.mean(x, axes, keep)
    count = np.prod([node.shape()[axis] for axis in axes], dtype="int64")
    return relay.divide(relay.sum(x, axes, keep), scalar(count, node.dtype()))


def arg_reduction(node: Node) -> relay.Expr:
    """``ArgMax`` and ``ArgMin``."""
    axis, rank = node.get("axis", 0), len(node.shape())
    find = relay.argmax if node.operator == "ArgMax" else relay.argmin
    last = bool(node.get("select_last_index", 0))
    found = find(node.inputs[0], axis % rank, bool(node.get("keepdims", 1)), False, last)
    return relay.cast(found, "int64")


REDUCTIONS: dict[str, Converter] = {
    f"Reduce{kind}": reduction
    for kind in (
        "L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare",
    )
}  # fmt: skip
