# SPDX-License-Identifier: Apache-2.0
"""What the host sees of its boards' systems while it waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from .blame import explained, is_broken, out_of_reach
from .board_runner import BoardRunner

#: How long boards are waited for after a look at which none was reached: systems send again what
#: was lost after .2, .6, 1.4, 3 s, so a link that is back by then still saves them.
AFTER_LOOK = 1.25
#: What is given to boards in any case.
LEAST_SECONDS = 0.5


class Sight:
    """Looks whether boards that are waited for are there, and remembers if none was.

    Parameters
    ----------
    runners : sequence of BoardRunner
        All boards.
    in_haste : bool
        Whether boards that others have waited for in vain are waited for no longer.
    clock : callable
        Tells seconds.

    Attributes
    ----------
    own_link_down : bool
        Whether at one look the host reached none of several boards. A link that is back by the time
        that blame is asked for was down all the same.
    """

    def __init__(
        self,
        runners: Sequence[BoardRunner],
        in_haste: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._runners, self._in_haste, self._clock = runners, in_haste, clock
        self._began = clock()
        self._looked_at, self.own_link_down = float("inf"), False

    def forget(self) -> None:
        """Hold no boards any more; what was seen is remembered."""
        self._runners = ()

    def time_left(self, seconds: float) -> float:
        """What is left of so many seconds since boards are waited for; half a second at least."""
        return max(LEAST_SECONDS, self._began + seconds - self._clock())

    def hopeless(self, ranks: set[int]) -> bool:
        """Whether there is no sense in waiting for some boards: as for `Workers.each`."""
        return bool(self._look() & ranks)

    def explained(self, failures: Mapping[int, BaseException], out: set[int]) -> bool:
        """Whether failures tell why others are out: as for `Workers.each`.

        The first of the host's own connections that breaks makes it look whether all are.
        """
        first = self._looked_at == float("inf")
        if first and any(is_broken(rank, error) for rank, error in failures.items()):
            self._look()
        if self.own_link_down:
            return self._clock() > self._looked_at + AFTER_LOOK
        return self._in_haste and explained(failures, out)

    def _look(self) -> set[int]:
        self._looked_at = self._clock()
        missing = out_of_reach(self._runners, range(len(self._runners)))
        if len(missing) == len(self._runners) > 1:
            self.own_link_down = True
        return missing
