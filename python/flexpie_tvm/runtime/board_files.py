# SPDX-License-Identifier: Apache-2.0
"""Which files a board has in its session's folder, by what is in them.

The folder is the session's: it begins empty, and ends with it. A file is not sent again while it
is there. It may have been damaged meanwhile (cards of small boards wear out), so it is checked
before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .host_library import Checksum

#: Bytes of libraries that a board keeps at most, beside those in use.
LIMIT = 256 << 20


@dataclass(frozen=True)
class Content:
    """What is in a file.

    Parameters
    ----------
    sha256 : str
        Its name among files of any content.
    crc32c : int
        What the board finds if the file is still that.
    size : int
        Bytes.
    """

    sha256: str
    crc32c: int
    size: int


def content_of(path: Path) -> Content:
    """What is in a file of this machine; it is read once as long as it is the same."""
    about = path.stat()
    return _content(path, about.st_mtime_ns, about.st_size, about.st_ino)


@lru_cache(maxsize=256)
def _content(path: Path, *_: int) -> Content:
    data = np.fromfile(path, np.uint8)
    return Content(hashlib.sha256(data).hexdigest(), Checksum().of([data]), data.size)


class BoardFiles:
    """Files on one board.

    Parameters
    ----------
    limit : int
        Bytes that those out of use take at most; the ones used longest ago go first.
    """

    def __init__(self, limit: int = LIMIT):
        self._limit = limit
        self._contents: dict[str, Content] = {}  # by name, those used longest ago first
        self._used: set[str] = set()

    def fits(self, content: Content) -> bool:
        """Whether a file may be there without being in use, beside those that are kept."""
        return self._unused_bytes() + content.size <= self._limit

    def has(self, content: Content) -> bool:
        """Whether a file with that content was put there, in use or not."""
        return content in self._contents.values()

    def find(self, content: Content) -> str | None:
        """Name of a file with that content that is not in use; None if there is none.

        A library that is loaded twice is one to the system, and TVM keeps in it whose it is.
        """
        alike = (name for name, other in self._contents.items() if other == content)
        return next((name for name in alike if name not in self._used), None)

    def add(self, content: Content, name: str) -> None:
        """A file was put there, complete."""
        self._contents[name] = content

    def use(self, name: str) -> None:
        """A file is loaded."""
        self._used.add(name)
        self._contents[name] = self._contents.pop(name)

    def let_go(self, name: str) -> None:
        """A file is not loaded any more."""
        self._used.discard(name)

    def forget(self, name: str) -> None:
        """A file is not there any more, or not what it was."""
        self._contents.pop(name, None)

    def shrink(self, remove: Callable[[str], object]) -> None:
        """Remove files out of use that are more than the limit."""
        for name in list(self._contents):
            if self._unused_bytes() <= self._limit:
                return
            if name not in self._used:
                remove(name)
                self.forget(name)

    def _unused_bytes(self) -> int:
        return sum(c.size for name, c in self._contents.items() if name not in self._used)
