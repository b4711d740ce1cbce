# SPDX-License-Identifier: Apache-2.0
"""The property that holds for every model and every legal plan: the whole model's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm

from ..plan import Plan
from ..relay import FlexPiePartition, FlexPiePreOptimize, import_module, lower
from .choices import Choices
from .emulate import emulate, emulate_whole
from .evaluate import Evaluator
from .random_graphs import random_inputs, random_model
from .random_plans import random_plan

BOARDS = (2, 3, 4, 7)


def random_case(choices: Choices, steps: int = 6) -> tuple[tvm.IRModule, Plan]:
    """A random model, half the time pre-optimized, and a random plan for it."""
    mod = random_model(choices, steps)
    if choices.pick((False, True)):
        mod = FlexPiePreOptimize()(mod)
    return mod, random_plan(import_module(mod).graph, choices.pick(BOARDS), choices)


def largest_error(mod: tvm.IRModule, plan: Plan, evaluator: Evaluator, seed: int = 0) -> float:
    """Largest difference between the cut and the whole model, relative to each output's range."""
    inputs = random_inputs(mod, seed)
    cut = emulate(lower(FlexPiePartition(plan=plan)(mod)), inputs, evaluator)
    return relative_error(cut, emulate_whole(mod, inputs, evaluator))


def relative_error(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """Largest difference relative to the largest magnitude of each output.

    Infinite where shapes, dtypes or the places of NaN differ.
    """
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return np.inf
        a, b = ours.astype("float64"), theirs.astype("float64")
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return np.inf
        a, b = np.nan_to_num(a), np.nan_to_num(b)
        worst = max(
            worst, float(np.abs(a - b).max(initial=0) / max(1e-12, np.abs(b).max(initial=0)))
        )
    return worst
