# SPDX-License-Identifier: Apache-2.0
"""Boards of a tracker to measure on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ...errors import ClusterError
from ...runtime.tracker import connect_tracker, free_boards


@dataclass(frozen=True)
class Board:
    """Where boards of one kind are.

    Parameters
    ----------
    host, port : str, int
        A TVM RPC tracker.
    key : str
        Where they registered.
    parallel : int, optional
        How many are used at a time; all that are free by default.
    """

    host: str
    port: int
    key: str
    parallel: int | None = None

    def wait(self, seconds: float) -> None:
        """Wait until a board is free.

        Parameters
        ----------
        seconds : float
            For how long.

        Raises
        ------
        ClusterError
            If none is within some seconds, or none is registered any more.
        """
        until = time.monotonic() + seconds
        while not free_boards(self.host, self.port, self.key):
            if not self._registered() or time.monotonic() > until:
                raise ClusterError(
                    f"tracker {self.host}:{self.port} has no free board under key '{self.key}'"
                )
            time.sleep(0.1)

    def _registered(self) -> bool:
        tracker = connect_tracker(self.host, self.port)
        try:
            servers = tracker.summary()["server_info"]
        finally:
            tracker.close()
        return any(server["key"] == f"server:{self.key}" for server in servers)
