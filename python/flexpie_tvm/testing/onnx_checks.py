# SPDX-License-Identifier: Apache-2.0
"""Cut a case of the ONNX suite in every way its operators allow and compare the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tvm

from ..errors import FlexPieError
from ..graph import Graph
from ..passes import FlexPiePreOptimize
from ..plan import Choice, ClusterSpec, Plan, Split, cut_points, layer_cuttable, uniform_plan
from ..relay import import_module
from ..relay.results import copy_results
from ..rules import reducible_axes
from .choices import SeededChoices
from .emulator import emulate, emulate_whole
from .evaluate import Evaluator
from .onnx_cases import OnnxCase
from .random_plans import random_plan

BOARDS = (2, 3, 4)


class NotCompiled(FlexPieError):
    """TVM cannot compile or run the whole model."""


@dataclass(frozen=True)
class CaseResult:
    """What became of a case.

    Parameters
    ----------
    plans : int
        Number of plans that were tried.
    cut : bool
        Whether in one of them boards computed less than the whole of some operator.
    whole_differs : bool
        Whether one board's answers are not the suite's: what TVM makes of the model.
    wrong : tuple of str
        Plans whose answers are neither the suite's nor, if they differ, one board's.
    """

    plans: int
    cut: bool
    whole_differs: bool
    wrong: tuple[str, ...]


def check_case(case: OnnxCase, target: str, evaluator: Evaluator) -> CaseResult:
    """Try a case as imported and pre-optimized for a target, under several plans each.

    Parameters
    ----------
    case : OnnxCase
        The case.
    target : str
        Target whose layouts pre-optimization chooses.
    evaluator : Evaluator
        Keeps compiled operators.

    Raises
    ------
    NotCompiled
        If TVM cannot even run the whole model.
    """
    imported = copy_results(case.module)
    whole = run_whole(imported, case.inputs, evaluator)
    differs = not equals(whole, case.expected, case)
    right = (case.expected, whole) if differs else (case.expected,)
    count, cut, wrong = 0, False, []
    forms = {"imported": imported, "optimized": copy_results(FlexPiePreOptimize(target)(imported))}
    for form, mod in forms.items():
        graph = import_module(mod).graph
        for name, plan in plans_of(graph):
            count += 1
            cut = cut or is_cut(graph, plan)
            found = emulate(plan, mod, case.inputs, evaluator)
            if not any(equals(found, expected, case) for expected in right):
                wrong.append(f"{form}, {name} on {plan.boards}")
    return CaseResult(count, cut, differs, tuple(wrong))


def run_whole(
    mod: tvm.IRModule, inputs: dict[str, np.ndarray], evaluator: Evaluator
) -> list[np.ndarray]:
    """One board's answers; ``NotCompiled`` if TVM by itself has none."""
    try:
        return emulate_whole(mod, inputs, evaluator)
    except Exception:
        try:
            emulate_whole(mod, inputs, Evaluator(use_numpy=False))
        except Exception as error:  # TVM's strategies assert and raise what they like
            raise NotCompiled(f"{type(error).__name__}: {error}") from error
        raise


def plans_of(graph: Graph) -> Iterator[tuple[str, Plan]]:
    """Every axis of the outputs cut in turn, partial results, and two random plans."""
    rank = max((len(graph.tensors[t].shape) for x in graph.layers for t in x.outputs), default=0)
    for axis in range(rank):
        yield f"axis {axis}", axis_plan(graph, axis, BOARDS[axis % len(BOARDS)])
    if any(reducible_axes(op) for op in graph.ops):
        yield "InC", uniform_plan(graph, ClusterSpec(2), "InC")
    for seed, boards in enumerate(BOARDS[1:]):
        yield f"random {seed}", random_plan(graph, boards, SeededChoices(seed))


def axis_plan(graph: Graph, axis: int, boards: int) -> Plan:
    """Cut every layer output along one axis where its layer can be, else along its first."""
    choices = {}
    for layer in graph.layers:
        cuttable = layer_cuttable(graph, layer)
        for tensor in (graph.tensors[t] for t in layer.outputs):
            chosen = axis if axis in cuttable else min(cuttable, default=None)
            split = Split((), ())
            if chosen is not None:
                points = cut_points(tensor.shape[chosen], ClusterSpec(boards).shares)
                split = Split((chosen,), (points,))
            scheme = "Single" if chosen is None else f"axis {chosen}"
            choices[tensor.name] = Choice("T", scheme, split)
    return Plan(ClusterSpec(boards), choices, f"axis {axis}")


def is_cut(graph: Graph, plan: Plan) -> bool:
    """Whether some board computes a part, not the whole, of an operator's output."""
    tiles = plan.geometry(graph).tiles
    return any(
        tile.region.volume < np.prod(op.out_shape) or tile.depth < 1
        for op in graph.ops
        for tile in tiles[op.id]
        if tile is not None
    )


def equals(found: Sequence[np.ndarray], expected: Sequence[np.ndarray], case: OnnxCase) -> bool:
    """Same shapes, types and, within the suite's tolerances, values."""
    return len(found) == len(expected) and all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.allclose(a, b, rtol=case.rtol, atol=case.atol, equal_nan=True)
        for a, b in zip(found, expected, strict=True)
    )
