# SPDX-License-Identifier: Apache-2.0
"""The few best plans of a model, timed on the boards themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from ...errors import PlanError
from ...plan import Plan
from ...runtime import Artifact, Cluster
from ...runtime.latency import timed

#: Inferences of each plan before its times count, and rounds at least and at most.
WARM_UP, LEAST, MOST = 5, 21, 201
#: So much more of the milliseconds is not told from the least: the first of these plans is kept.
TIE = 0.005


@dataclass(frozen=True)
class Tried:
    """A plan, and what it takes on its boards.

    Parameters
    ----------
    plan : Plan
        As it was predicted.
    ms : float
        Median latency of the rounds, in milliseconds, as the caller sees it.
    """

    plan: Plan
    ms: float


def try_plans(
    plans: Sequence[Plan],
    built: Callable[[Plan, Path], Artifact],
    boards: Cluster,
    folder: Path,
    seconds: float = 5.0,
    check: Callable[[], object] = lambda: None,
) -> list[Tried]:
    """Time plans in turns, all deployed at once, so that what disturbs one disturbs all.

    Boards must have the memory for all of them.

    Parameters
    ----------
    plans : sequence of Plan
        Of one model, for all of ``boards``.
    built : callable
        Builds a plan's artifact at a path.
    boards : Cluster
        That are connected.
    folder : Path
        Where artifacts are kept meanwhile.
    seconds : float
        After which no round is begun, once there were some.
    check : callable
        Called before each round; what it raises ends the trial.

    Returns
    -------
    tried : list of Tried
        In the order of ``plans``.

    Raises
    ------
    PlanError
        If there are no plans.
    BoardError
        If a board is lost.
    """
    if not plans:
        raise PlanError("there is no plan to try")
    artifacts = [built(plan, folder / f"{k}.flexpie") for k, plan in enumerate(plans)]
    inputs = _random_inputs(artifacts[0])
    times: list[list[float]] = [[] for _ in plans]
    with ExitStack() as stack:
        ready = [stack.enter_context(boards.deploy(artifact)) for artifact in artifacts]
        for deployment in ready:
            for _ in range(WARM_UP):
                deployment.run(inputs)
        order, shuffle, start = list(range(len(plans))), random.Random(0).shuffle, time.monotonic()
        while len(times[0]) < MOST:
            check()
            if len(times[0]) >= LEAST and time.monotonic() - start > seconds:
                break
            shuffle(order)
            for k in order:
                ready[k].run(inputs)  # caches and cores are as another plan left them
                times[k].append(timed(partial(ready[k].run, inputs)))
    return [Tried(plan, median(ms)) for plan, ms in zip(plans, times, strict=True)]


def fastest_of(tried: Sequence[Tried]) -> Tried:
    """The plan that took the least; of those that cannot be told apart, the first.

    Parameters
    ----------
    tried : sequence of Tried
        What `try_plans` gave.
    """
    least = min(one.ms for one in tried)
    return next(one for one in tried if one.ms <= least * (1 + TIE))


def _random_inputs(artifact: Artifact) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        port.name: rng.normal(size=port.shape).astype(port.dtype)
        if np.issubdtype(np.dtype(port.dtype), np.floating)
        else np.zeros(port.shape, port.dtype)
        for port in artifact.inputs
    }
