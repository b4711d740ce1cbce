# SPDX-License-Identifier: Apache-2.0
"""Where boards come from after others were lost."""

from __future__ import annotations

from typing import Protocol

from .session import Session


class Pool(Protocol):
    """Where boards come from: a `Cluster`."""

    sessions: list[Session]

    def drop(self, session: Session) -> None:
        """End a board's session; it may register with its tracker again."""

    def take(self, most: int) -> list[Session]:
        """Boards that are free now, at most so many, which are the cluster's from now on."""
