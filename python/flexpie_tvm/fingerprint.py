# SPDX-License-Identifier: Apache-2.0
"""Which kernels this version makes: times of other kernels say little about these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
#: What decides how a tile is computed.
SOURCES = (
    "kernels", "passes", "codegen", "graph/steps.py", "machine/caches.py", "machine/precision.py",
    "machine/processors.py", "machine/vector_unit.py",
)  # fmt: skip
_LENGTH = 12


@cache
def kernels_fingerprint() -> str:
    """Digest of the sources that make kernels; what cost models and traces are compared by.

    Comments and empty lines do not change it.
    """
    digest = hashlib.sha256()
    for name, path in source_files(SOURCES):
        digest.update(name.encode() + b"\0")
        for line in path.read_text("utf-8").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                digest.update(line.rstrip().encode() + b"\n")
    return digest.hexdigest()[:_LENGTH]


def source_files(sources: Iterable[str]) -> list[tuple[str, Path]]:
    """Python files of this package, by their names in it, in order.

    Parameters
    ----------
    sources : iterable of str
        Files, and folders with all that is in them.
    """
    whole = [HERE / name for name in sources]
    paths = [path for s in whole for path in (s.rglob("*.py") if s.is_dir() else [s])]
    return sorted((path.relative_to(HERE).as_posix(), path) for path in paths)
