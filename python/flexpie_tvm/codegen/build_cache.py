# SPDX-License-Identifier: Apache-2.0
"""Files that were built before, found again by what they were built from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Bytes that a cache holds at most, unless told otherwise.
LIMIT = 4 << 30
_SUMS, _UNFINISHED = "sums.json", ".new."
#: Seconds after which nobody is writing any more.
_ABANDONED = 3600.0


@dataclass
class BuildCache:
    """A folder of built libraries; several processes may use it at once.

    Parameters
    ----------
    folder : Path
        Where entries are kept; made when first needed.
    limit : int
        Bytes that all entries take at most. Those used longest ago go first.
    hits, misses : int
        Whole builds that were found, and that were not.
    kernels_found, kernels_compiled : int
        Of the builds that were not found.
    """

    folder: Path
    limit: int = LIMIT
    hits: int = 0
    misses: int = 0
    kernels_found: int = 0
    kernels_compiled: int = 0

    def made(self, key: str, folder: Path, make: Callable[[], list[Path]]) -> list[Path]:
        """An entry's files in a folder; ``make`` makes them there if there is none.

        Parameters
        ----------
        key : str
            Name of the entry, such as a digest of all that decides its files.
        folder : Path
            Where the files are wanted.
        make : callable
            Makes them there and returns their paths; what it raises goes on to the caller.
        """
        files = self.take(key, folder)
        if files is None:
            files = make()
            self.keep(key, files)
        return files

    def take(self, key: str, folder: Path) -> list[Path] | None:
        """What `fetch` gives, counted as a whole build.

        Parameters
        ----------
        key : str
            As of `made`.
        folder : Path
            Gets copies of the files.
        """
        files = self.fetch(key, folder)
        self.hits += files is not None
        self.misses += files is None
        return files

    def fetch(self, key: str, folder: Path) -> list[Path] | None:
        """Copy an entry's files into a folder; None if there is none, or a damaged one.

        Parameters
        ----------
        key : str
            As of `made`.
        folder : Path
            Gets the copies.

        Returns
        -------
        files : list of Path or None
            The copies, each with the checksum that was kept with it; a damaged entry is removed.
        """
        entry = self.folder / key
        try:
            sums = json.loads((entry / _SUMS).read_text("utf-8"))
            files = [Path(shutil.copyfile(entry / name, folder / name)) for name in sums]
            whole = all(_digest(path) == sums[path.name] for path in files)
            os.utime(entry)
        except (OSError, ValueError, AttributeError, TypeError):
            whole = False
        if not whole:
            self.remove(key)
            return None
        return files

    def remove(self, key: str) -> None:
        """Remove an entry, if there is one.

        Parameters
        ----------
        key : str
            As of `made`.
        """
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def keep(self, key: str, files: Sequence[Path]) -> None:
        """Keep copies of files; a folder that cannot be written to keeps nothing.

        Parameters
        ----------
        key : str
            As of `made`.
        files : sequence of Path
            Of different names, under which `fetch` gives them back.
        """
        self.keep_all({key: files})

    def keep_all(self, entries: Mapping[str, Sequence[Path]]) -> None:
        """Keep several entries, of each key its files.

        Parameters
        ----------
        entries : mapping
            Key -> files, as of `keep`. Those that were not used for longest go where all are more
            than the limit.
        """
        for key, files in entries.items():
            self._add(key, files)
        if entries:
            with contextlib.suppress(OSError):
                self._shrink()

    def _add(self, key: str, files: Sequence[Path]) -> None:
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=_UNFINISHED) as scratch:
                entry = Path(scratch) / "entry"
                entry.mkdir()
                for path in files:
                    shutil.copyfile(path, entry / path.name)
                sums = {path.name: _digest(path) for path in files}
                (entry / _SUMS).write_text(json.dumps(sums), "utf-8")
                # fails if another process was first, whose entry is as good
                entry.rename(self.folder / key)

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(_size(entry) for entry in self._entries())

    def clear(self) -> None:
        """Remove all entries."""
        for entry in self._entries():
            shutil.rmtree(entry, ignore_errors=True)

    def _entries(self) -> list[Path]:
        """Entries, those used longest ago first."""
        if not self.folder.is_dir():
            return []
        aged = []
        for entry in self.folder.iterdir():
            with contextlib.suppress(OSError):  # another process may remove it
                if not entry.name.startswith(_UNFINISHED):
                    aged.append((entry.stat().st_mtime_ns, entry))
        return [entry for _, entry in sorted(aged)]

    def _shrink(self) -> None:
        for left in self.folder.glob(f"{_UNFINISHED}*"):  # by a process that was killed
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
        sizes = {entry: _size(entry) for entry in self._entries()}
        total = sum(sizes.values())
        for entry, size in sizes.items():
            if total <= self.limit:
                return
            shutil.rmtree(entry, ignore_errors=True)
            total -= size


def user_cache(environment: Mapping[str, str]) -> BuildCache | None:
    """The user's cache, as the environment says; None if ``FLEXPIE_CACHE`` is 0.

    Parameters
    ----------
    environment : mapping
        ``os.environ`` or the like; ``XDG_CACHE_HOME`` is the folder of caches, by default
        ``~/.cache``.
    """
    if environment.get("FLEXPIE_CACHE") == "0":
        return None
    root = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return BuildCache(root / "flexpie_tvm")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(entry: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        total = sum(path.stat().st_size for path in entry.iterdir())
    return total
