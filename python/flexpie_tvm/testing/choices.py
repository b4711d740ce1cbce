# SPDX-License-Identifier: Apache-2.0
"""Where random models and plans get their decisions from: a seed, or hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np


class Choices(Protocol):
    """Small decisions, one after the other."""

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options; the first is the simplest."""


class SeededChoices:
    """Decisions from a seed."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return int(self._rng.integers(low, high + 1))

    def pick(self, options: Sequence[Any]) -> Any:
        """One of them."""
        return options[int(self._rng.integers(len(options)))]


class DrawnChoices:
    """Decisions that hypothesis draws and, after a failure, makes smaller.

    Parameters
    ----------
    draw : callable
        What ``hypothesis.strategies.composite`` gives, or ``data.draw``.
    integers : callable
        ``hypothesis.strategies.integers``.
    """

    def __init__(self, draw: Callable, integers: Callable):
        self._draw, self._integers = draw, integers

    def integer(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return self._draw(self._integers(low, high))

    def pick(self, options: Sequence[Any]) -> Any:
        """One of them."""
        return options[self.integer(0, len(options) - 1)]
