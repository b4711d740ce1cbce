# SPDX-License-Identifier: Apache-2.0
"""How frames are streamed."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

ON_ERROR = ("raise", "yield")
TRACKS = (1, 2)


@dataclass(frozen=True)
class StreamOptions:
    """How frames are streamed; parameters are those of `Deployment.stream`.

    Raises
    ------
    InputError
        If it is not possible.
    """

    in_flight: int
    on_error: str
    tracks: int

    def __post_init__(self) -> None:
        if self.on_error not in ON_ERROR or self.in_flight < 1:
            raise InputError(
                f"in_flight {self.in_flight}, on_error '{self.on_error}': give 1 or more, and "
                f"{' or '.join(ON_ERROR)}"
            )
        if self.tracks not in TRACKS:
            raise InputError(f"tracks {self.tracks}: a board has one or two")
