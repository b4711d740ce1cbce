# SPDX-License-Identifier: Apache-2.0
"""Which kernels this version makes: times of other kernels say little about these."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeGuard

HERE = Path(__file__).parent
#: What decides how a tile is computed.
SOURCES = (
    "kernels", "passes", "codegen/build.py", "codegen/kernel_objects.py", "codegen/merge.py",
    "graph/steps.py", "machine/caches.py", "machine/precision.py", "machine/processors.py",
    "machine/vector_unit.py",
)  # fmt: skip
_LENGTH = 12


@cache
def kernels_fingerprint() -> str:
    """Digest of the sources that make kernels; what cost models and traces are compared by.

    Comments, docstrings, imports and empty lines do not change it.
    """
    digest = hashlib.sha256()
    for name, path in source_files(SOURCES):
        digest.update(name.encode() + b"\0")
        for line in _code(path.read_text("utf-8")):
            digest.update(line.rstrip().encode() + b"\n")
    return digest.hexdigest()[:_LENGTH]


def _code(text: str) -> list[str]:
    """Lines of a module that say what it does."""
    silent: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            silent.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [line for i, line in enumerate(text.splitlines(), 1) if i not in silent]
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Whether a statement is nothing but a text."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


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
