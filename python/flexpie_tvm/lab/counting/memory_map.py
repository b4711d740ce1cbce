# SPDX-License-Identifier: Apache-2.0
"""Where a guest's libraries are in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .library import Library


@dataclass(frozen=True)
class Mapped:
    """A part of a file in memory: addresses ``[start, stop)``."""

    start: int
    stop: int
    offset: int
    file: str


def read_maps(text: str) -> tuple[Mapped, ...]:
    """Parse ``/proc/self/maps``; what belongs to no file is left out."""
    found = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):
            start, stop = (int(part, 16) for part in fields[0].split("-"))
            found.append(Mapped(start, stop, int(fields[2], 16), fields[5].strip()))
    return tuple(sorted(found, key=lambda m: m.start))


class Names:
    """Names for addresses of a guest.

    Parameters
    ----------
    maps : sequence of Mapped
        Sorted by address.
    """

    def __init__(self, maps: Sequence[Mapped]):
        self._maps = maps
        self._starts = [m.start for m in maps]
        self._libraries: dict[str, Library] = {}

    def library(self, address: int) -> str:
        """The file name that an address is in; empty if none."""
        mapped = self._find(address)
        return Path(mapped.file).name if mapped else ""

    def kernel(self, address: int) -> str:
        """The function that an address is in; empty if there is no such file."""
        mapped = self._find(address)
        if mapped is None:
            return ""
        if mapped.file not in self._libraries:
            self._libraries[mapped.file] = Library(mapped.file)
        return self._libraries[mapped.file].name(address - mapped.start + mapped.offset)

    def _find(self, address: int) -> Mapped | None:
        k = bisect_right(self._starts, address) - 1
        return self._maps[k] if k >= 0 and address < self._maps[k].stop else None
