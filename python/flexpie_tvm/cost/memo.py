# SPDX-License-Identifier: Apache-2.0
"""Answers that were given before: searches ask for the same records again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

#: Answers that are remembered; a search asks for some 10,000.
MOST_ANSWERS = 1_000_000


class _Numbers(dict[Hashable, int]):
    """0, 1, 2, ... for keys, in the order in which they are first asked for."""

    def __missing__(self, key: Hashable) -> int:
        number = self[key] = len(self)
        return number


class Memo:
    """Remembers a number per key."""

    def __init__(self) -> None:
        self._forget()

    def __len__(self) -> int:
        return len(self._values)

    def answers(
        self, keys: Sequence[Hashable], ask: Callable[[list[int]], np.ndarray]
    ) -> np.ndarray:
        """A number for each key.

        Parameters
        ----------
        keys : sequence of hashable
            What is asked; may hold the same key twice.
        ask : callable
            Places in ``keys`` of new ones, each once -> their numbers.
        """
        if len(self._places) > MOST_ANSWERS:
            self._forget()
        known = len(self._places)
        try:
            found = np.fromiter(map(self._places.__getitem__, keys), int, len(keys))
            # the first of each new key has a higher place than all before it
            highest = np.maximum.accumulate(np.append(known - 1, found))
            new: list[int] = np.flatnonzero(np.diff(highest)).tolist()
            if new:
                self._values = np.concatenate([self._values, ask(new)])
        except BaseException:
            self._forget()
            raise
        return self._values[found]

    def _forget(self) -> None:
        self._places, self._values = _Numbers(), np.zeros(0)
