# SPDX-License-Identifier: Apache-2.0
"""The site builds, has all that is public, and pages name what is there."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.public_api import public_packages

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "python" / "flexpie_tvm"
#: The change log also names what was.
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tutorials/*.md")]
    if page.name != "CHANGELOG.md"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_api_reference_has_every_public_name(site):
    text = "".join(page.read_text() for page in site.glob("api/**/*.html"))
    shown = set(re.findall(r'id="(flexpie_tvm[^"]*)"', text))
    missing = [
        f"{package.__name__}.{name}"
        for package in public_packages()
        for name in package.__all__
        if shown.isdisjoint(_anchors(package, name))
    ]
    assert missing == []


def _anchors(package: ModuleType, name: str) -> set[str]:
    """Where a name may stand: in its package or, if a module has the same name, in its module."""
    defined = getattr(getattr(package, name), "__module__", package.__name__)
    return {f"{package.__name__}.{name}", f"{defined}.{name}"}


def test_pages_name_modules_that_are_there():
    missing = []
    for page in PAGES:
        names = re.findall(r"(?<![\w/.@-])flexpie_tvm(?:\.[A-Za-z_]\w*)+", page.read_text())
        missing += [f"{page.name}: {name}" for name in sorted(set(names)) if not _there(name)]
    assert missing == []


def _there(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


def test_examples_on_pages_import_what_is_there():
    missing = []
    for page in PAGES:
        for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            for node in ast.walk(ast.parse(_without_snippets(code))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flexpie"):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                    missing += [f"{page.name}: {name}" for name in names if not _there(name)]
    assert missing == []


def _without_snippets(code: str) -> str:
    """Without lines that stand for a file of the repository."""
    return "\n".join(line for line in code.splitlines() if not line.startswith("--8<--"))


def test_pages_name_files_that_are_there():
    missing = []
    for page in PAGES:
        for name in re.findall(r"`([a-z_]+/[\w/.]*?(?:\.py|/))`", page.read_text()):
            if not any((place / name).exists() for place in (ROOT, SOURCE, SOURCE / "lab")):
                missing.append(f"{page.name}: {name}")
    assert missing == []
