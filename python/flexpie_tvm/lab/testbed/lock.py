# SPDX-License-Identifier: Apache-2.0
"""Work in a folder that other processes use, too, one at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import ClusterError


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Make the folder and hold its lock ``name`` while the body runs.

    The lock ends with the process, so a killed one leaves none.

    Raises
    ------
    ClusterError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / f".{name}.lock").open("w")
    except OSError as error:
        raise ClusterError(f"{folder} cannot be written: {error.strerror}") from None
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
