# SPDX-License-Identifier: Apache-2.0
"""Which kernels this version makes: times of other kernels say little about these."""

from __future__ import annotations

import hashlib
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
    for path in sorted(_sources(), key=lambda path: path.relative_to(HERE).as_posix()):
        digest.update(path.relative_to(HERE).as_posix().encode() + b"\0")
        for line in path.read_text("utf-8").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                digest.update(line.rstrip().encode() + b"\n")
    return digest.hexdigest()[:_LENGTH]


def _sources() -> list[Path]:
    whole = (HERE / name for name in SOURCES)
    return [
        path for source in whole for path in (source.rglob("*.py") if source.is_dir() else [source])
    ]
