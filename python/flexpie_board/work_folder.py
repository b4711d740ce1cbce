# SPDX-License-Identifier: Apache-2.0
"""A folder for what sessions upload, also removed after its owner was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, LOCK = "flexpie-board-", "lock"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A new folder, removed in the end.

    It is locked for as long as this process or a fork of it lives: a service that was killed
    leaves its folder, but not the lock.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_folders() -> int:
    """Remove the folders of services that were killed.

    Returns
    -------
    int
        Bytes of their files, which the disk has again.
    """
    freed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # others' folders cannot be opened; one that is about to be locked has no lock yet
        with suppress(OSError), (folder / LOCK).open("r") as lock:
            if os.fstat(lock.fileno()).st_uid != os.getuid():
                continue
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            freed += sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
            shutil.rmtree(folder, ignore_errors=True)
    return freed
