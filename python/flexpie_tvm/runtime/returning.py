# SPDX-License-Identifier: Apache-2.0
"""Boards that come back after they were lost."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from ..errors import FlexPieError
from .pool import Pool

LOGGER = logging.getLogger(f"{__package__}.recovery")  # one for all that happens to boards
#: Seconds between looks.
LOOK_SECONDS = 1.0


class Returning:
    """Takes boards that registered again, on a thread that lasts while some are missing.

    Parameters
    ----------
    pool : Pool
        Where they were, and come to.
    boards : int
        How many are wanted.
    """

    def __init__(self, pool: Pool, boards: int):
        self._pool, self._boards = pool, boards
        self._closed, self._thread = threading.Event(), None

    def look(self) -> None:
        """Look for boards from now on, until there are enough."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="flexpie-recovery", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(2 * LOOK_SECONDS)

    def _look(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            missing = self._boards - len(self._pool.sessions)
            if missing <= 0:
                return
            with suppress(FlexPieError):  # the tracker is gone too, or somebody else took them
                for session in self._pool.take(missing):
                    LOGGER.warning("board %s:%d came back", session.address, session.port)
