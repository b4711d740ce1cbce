# SPDX-License-Identifier: Apache-2.0
"""Time several ways of running one network, in turns, on the same boards."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from ...runtime import largest_error
from ...runtime.latency import timed
from ...runtime.one_board import Runnable

WARM_UP = 2


@dataclass
class Timings:
    """Milliseconds of one runnable, a value per round, and its error."""

    ms: list[float] = field(default_factory=list)
    in_place_ms: list[float] = field(default_factory=list)
    max_rel_err: float = 0.0


def measure(
    runnables: Mapping[str, Runnable],
    reference: str,
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    repeat: int,
    watches: Mapping[str, AbstractContextManager] | None = None,
    check: Callable[[], object] = lambda: None,
) -> dict[str, Timings]:
    """Time all runnables round by round, in another order each round.

    Parameters
    ----------
    runnables : mapping
        What is measured, by name.
    reference : str
        The one whose answers are the expected ones.
    inputs : mapping
        Inputs of the model.
    rounds, repeat : int
        Rounds, and inferences per round, of which the median counts.
    watches : mapping, optional
        What is entered before and left after a round's inferences in place, by name.
    check : callable
        Called between inferences; what it raises ends the measurement.
    """
    found = {name: Timings() for name in runnables}
    expected = runnables[reference].run(inputs)
    for name, runnable in runnables.items():
        check()
        answers = [runnable.run(inputs) for _ in range(1 + WARM_UP)][-1]
        found[name].max_rel_err = largest_error(answers, expected)
    order, watches = list(runnables), watches or {}
    shuffle = random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            check()
            runnable = runnables[name]
            found[name].ms.append(_median(lambda r=runnable: r.run(inputs), repeat))
            with watches.get(name, nullcontext()):
                found[name].in_place_ms.append(_median(runnable.run_in_place, repeat))
    return found


def _median(work, repeat: int) -> float:
    return median(timed(work) for _ in range(repeat))
