# SPDX-License-Identifier: Apache-2.0
"""Answers that were given before: searches ask for the same records again and again."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

#: Answers that are remembered; a search asks for some 10,000.
MOST_ANSWERS = 1_000_000


class Memo:
    """Remembers a number per key."""

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}
        self._values = np.zeros(0)

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
        known, places = len(self._places), self._places
        # each as if it were new and there were no other like it: in one go
        numbers = map(places.setdefault, keys, range(known, known + len(keys)))
        found = np.fromiter(numbers, int, len(keys))
        first = np.flatnonzero(found == np.arange(known, known + len(keys)))
        new: list[int] = first.tolist()
        if len(new) < len(keys):
            found = self._numbered(keys, new, found)
        if new:
            try:
                self._values = np.concatenate([self._values, ask(new)])
            except BaseException:
                self._forget()
                raise
        return self._values[found]

    def _numbered(
        self, keys: Sequence[Hashable], new: Sequence[int], found: np.ndarray
    ) -> np.ndarray:
        """Places without gaps: new keys that are not the first of ``keys`` move up."""
        known = len(self._values)
        own = np.zeros(len(keys), dtype=int)
        own[new] = np.arange(known, known + len(new))
        self._places.update((keys[index], int(own[index])) for index in new)
        return np.where(found < known, found, own[np.maximum(found - known, 0)])

    def _forget(self) -> None:
        self._places, self._values = {}, np.zeros(0)
