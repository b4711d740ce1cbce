# SPDX-License-Identifier: Apache-2.0
"""Packages import each other one way, and nothing of TVM's is put aside while we run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flexpie_tvm

SOURCE = Path(flexpie_tvm.__file__).parent
#: Each may import those before it.
ROOMS = (
    "errors", "arrays", "extras", "files", "fingerprint", "machine", "graph", "rules", "cost",
    "plan.model", "plan.predict", "plan.search", "plan",
    "explain", "tvm_check", "kernels", "relay", "passes", "frontend", "codegen", "runtime",
    "compiler", "lab.tuning", "lab.profiler", "lab.testbed", "testing", "lab.bench",
    "lab.counting", "demo", "cli",
)  # fmt: skip
#: These are plain Python: no TVM.
WITHOUT_TVM = (
    "errors", "arrays", "extras", "files", "machine", "graph", "rules", "cost", "plan", "explain",
)  # fmt: skip


def _modules() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_imports_point_one_way(path):
    room = _room(path.relative_to(SOURCE).with_suffix("").parts)
    tree = ast.parse(path.read_text())
    missing = [name for name in _imported_modules(tree, path) if not _is_module(name)]
    assert missing == []
    for other in _rooms_of(tree, path):
        assert ROOMS.index(other) <= ROOMS.index(room), f"{room} imports {other}"
    if room.split(".")[0] in WITHOUT_TVM:
        assert "tvm" not in _at_import(tree)
    assert not {"mock", "patch"} & set(_imported_names(tree))


def _room(parts: tuple[str, ...]) -> str:
    """The room of a module or package: the longest of its names that is one."""
    whole = ".".join(parts[:2])
    return whole if whole in ROOMS else parts[0]


def _rooms_of(tree: ast.AST, path: Path) -> Iterator[str]:
    """The packages of ours that a module imports from."""
    here = path.relative_to(SOURCE.parent).parent.parts
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        package = here[: len(here) - node.level + 1]
        module = [*package, *(node.module or "").split(".")] if node.module else list(package)
        for alias in node.names:
            name = _room((*module, alias.name)[1:])
            if name != "lab":
                yield name


def _imported_modules(tree: ast.AST, path: Path) -> Iterator[tuple[str, ...]]:
    """The modules of ours that a module imports from, also where only a call would tell."""
    here = path.relative_to(SOURCE.parent).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            yield (*here[: len(here) - node.level + 1], *node.module.split("."))


def _is_module(parts: tuple[str, ...]) -> bool:
    path = SOURCE.parent.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


def _at_import(tree: ast.Module) -> set[str]:
    """The top packages that a module imports as it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
            yield from (getattr(node, "module", None) or "").split(".")
