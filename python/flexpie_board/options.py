# SPDX-License-Identifier: Apache-2.0
"""What a board is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BoardOptions:
    """What a board is.

    Parameters
    ----------
    tracker : (str, int)
        Where it registers.
    key : str
        Under which name.
    host : str
        Address that it listens at.
    address : str or None
        By which others reach it; None is the address by which it reaches the tracker.
    port, port_end : int
        It listens on the first free port of these.
    threads : int or None
        Cores that a tile uses; None is all.
    memory : int or None
        Bytes of data of a process at most; None is no limit.
    psk : Path or None
        File of the key that encrypts its links; None leaves them plain.
    alive : int
        Seconds after which a host that gives no sign of life is gone.
    """

    tracker: tuple[str, int]
    key: str
    host: str = "0.0.0.0"
    address: str | None = None
    port: int = 9090
    port_end: int = 9199
    threads: int | None = None
    memory: int | None = None
    alive: int = 30
    psk: Path | None = None
