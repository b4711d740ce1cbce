# SPDX-License-Identifier: Apache-2.0
"""Nodes and graphs by our importer and by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ModelError
from ...frontend.onnx_model import fix_shapes, import_onnx
from ...passes import FlexPiePreOptimize
from ...runtime.compare import relative_error
from ..tiles import run_module
from .draws import Draw, model_of
from .engine import answers, model_answers
from .graphs import RandomGraph

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Outcome:
    """What became of a node.

    Parameters
    ----------
    draw : Draw or RandomGraph
        The node, or the graph.
    what : str
        ``"right"``, ``"refused"`` in one sentence, ``"uncompiled"`` by TVM, ``"wrong"``, or
        ``"invalid"`` where onnxruntime does not take it.
    why : str
        The refusal or the difference.
    """

    draw: Draw | RandomGraph
    what: str
    why: str = ""


def check_nodes(draws: Sequence[Draw]) -> list[Outcome]:
    """Import nodes, compile those that import as one module, and compare their answers.

    Parameters
    ----------
    draws : sequence of Draw
        Nodes of one opset.

    Returns
    -------
    outcomes : list of Outcome
        One for each draw, in its order; nodes that onnxruntime cannot run are ``invalid``.
    """
    outcomes: dict[int, Outcome] = {}
    expected: dict[int, list[np.ndarray]] = {}
    for k, draw in enumerate(draws):
        try:
            expected[k] = answers(draw)
        except Exception as error:  # what onnxruntime says of a node is not ours to judge
            outcomes[k] = Outcome(draw, "invalid", _one_line(error))
            continue
        try:
            _imported([draw])
        except ModelError as error:
            outcomes[k] = Outcome(draw, "refused", str(error))
    left = [k for k in range(len(draws)) if k not in outcomes]
    outcomes |= _compared({k: draws[k] for k in left}, expected)
    return [outcomes[k] for k in range(len(draws))]


def check_graph(graph: RandomGraph, target: str = "") -> Outcome:
    """Import a graph, compile it, and compare its answers.

    Parameters
    ----------
    graph : RandomGraph
        The graph.
    target : str
        If given, it is pre-optimized for this target as well, and those answers are compared too.

    Returns
    -------
    outcome : Outcome
        Wrong if any form's answers are.
    """
    try:
        expected = model_answers(graph.model, graph.feeds)
    except Exception as error:  # it infers other shapes than it computes, and then refuses a node
        return Outcome(graph, "invalid", _one_line(error))
    try:
        mod = import_onnx(graph.model, fix_shapes(graph.model, {}, "random"), "random")
        forms = [mod] + ([FlexPiePreOptimize(target)(mod)] if target else [])
    except ModelError as error:
        return Outcome(graph, "refused", str(error))
    for form, name in zip(forms, ("", "pre-optimized, "), strict=False):
        try:
            found = run_module(form, graph.feeds)
        except Exception as error:  # compilers fail in ways of their own
            return Outcome(graph, "uncompiled", name + _one_line(error))
        if why := _difference(found, expected):
            return Outcome(graph, "wrong", name + why)
    return Outcome(graph, "right")


def _imported(draws: Sequence[Draw]):
    model, feeds = model_of(draws)
    mod = import_onnx(model, fix_shapes(model, {}, "random"), "random")
    return mod, feeds


def _compared(draws: dict[int, Draw], expected: dict[int, list[np.ndarray]]) -> dict[int, Outcome]:
    """Outcomes of nodes that import; halves of them where TVM cannot compile all."""
    if not draws:
        return {}
    keys = list(draws)
    try:
        mod, feeds = _imported(list(draws.values()))
        given = {v.name_hint for v in mod["main"].params}
        results = run_module(mod, {n: v for n, v in feeds.items() if n in given})
    except Exception as error:  # compilers fail in ways of their own; found by halving
        if len(keys) == 1:
            return {keys[0]: Outcome(draws[keys[0]], "uncompiled", _one_line(error))}
        half = len(keys) // 2
        first = _compared({k: draws[k] for k in keys[:half]}, expected)
        return first | _compared({k: draws[k] for k in keys[half:]}, expected)
    outcomes = {}
    for k in keys:
        mine, results = results[: draws[k].outputs], results[draws[k].outputs :]
        why = _difference(mine, expected[k])
        outcomes[k] = Outcome(draws[k], "wrong" if why else "right", why)
    return outcomes


def _difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> str:
    for j, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        theirs = np.asarray(theirs)
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            return f"result {j}: {mine.dtype} {mine.shape}, not {theirs.dtype} {theirs.shape}"
        if mine.dtype.kind in "biu":
            if not np.array_equal(mine, theirs):
                return f"result {j}: {np.sum(mine != theirs)} of {mine.size} differ"
        elif (error := relative_error(mine, theirs)) > TOLERANCE:
            return f"result {j}: relative error {error:.1e}"
    return ""


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
