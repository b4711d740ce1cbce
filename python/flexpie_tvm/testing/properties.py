# SPDX-License-Identifier: Apache-2.0
"""The property that holds for every model and every legal plan: the whole model's answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm

from ..passes import FlexPiePreOptimize
from ..plan import Plan
from ..relay import import_module
from .choices import Choices
from .emulator import emulate, emulate_whole
from .evaluate import Evaluator
from .random_graphs import random_inputs, random_model
from .random_plans import random_plan

BOARDS = (2, 3, 4, 7)
# Random models have values around one; what is far below is what rounding left of a sum of
# ``x - mean(x)``, and has no right digits on one board either.
SMALLEST_RANGE = 1e-2


def random_case(choices: Choices, steps: int = 6) -> tuple[tvm.IRModule, Plan]:
    """A random model, half the time pre-optimized, and a random plan for it."""
    mod = random_model(choices, steps)
    if choices.pick((False, True)):
        mod = FlexPiePreOptimize()(mod)
    return mod, random_plan(import_module(mod).graph, choices.pick(BOARDS), choices)


def largest_error(mod: tvm.IRModule, plan: Plan, evaluator: Evaluator, seed: int = 0) -> float:
    """Largest difference between a cut random model and the whole one, relative to its range."""
    inputs = random_inputs(mod, seed)
    cut = emulate(plan, mod, inputs, evaluator)
    return relative_error(cut, emulate_whole(mod, inputs, evaluator), SMALLEST_RANGE)


def relative_error(
    found: Sequence[np.ndarray], expected: Sequence[np.ndarray], smallest_range: float = 1e-12
) -> float:
    """Largest difference relative to the largest magnitude of each output.

    Infinite where shapes, dtypes or the places of NaN differ. An output's range counts as
    ``smallest_range`` at least.
    """
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return np.inf
        a, b = ours.astype("float64"), theirs.astype("float64")
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return np.inf
        a, b = np.nan_to_num(a), np.nan_to_num(b)
        scale = max(smallest_range, np.abs(b).max(initial=0))
        worst = max(worst, float(np.abs(a - b).max(initial=0) / scale))
    return worst
