# SPDX-License-Identifier: Apache-2.0
"""What the repository says to contributors is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import flexpie_tvm

ROOT = Path(__file__).parents[1]


def test_the_version_is_said_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic == {"version": {"attr": "flexpie_tvm.__version__"}}
    assert re.fullmatch(r"\d+\.\d+\.\d+", flexpie_tvm.__version__)
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{flexpie_tvm.__version__}]" in changes


def test_the_rule_that_contributing_shows_is_the_one_in_the_package():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    files = ("python/flexpie_tvm/rules/sliding.py", "tests/rules/test_sliding.py")
    assert len(shown) == len(files)
    for code, file in zip(shown, files, strict=True):
        assert code.strip() in (ROOT / file).read_text()
        assert len(code.splitlines()) <= 30


def test_pages_link_to_files_that_are_there():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tutorials").glob("*.md")]
    missing = []
    for page in pages:
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        local = [link for link in links if "://" not in link]
        missing += [f"{page.name}: {link}" for link in local if not (page.parent / link).exists()]
    assert missing == []


def test_workflows_run_what_is_there():
    made = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text()
        assert set(re.findall(r"run: make (\w+)", text)) <= made
        for file in re.findall(r"\btools/[\w.]+", text):
            assert (ROOT / file).is_file(), file
        for paths in re.findall(r"paths: \[(.*)\]", text):
            for path in paths.replace('"', "").split(", "):
                assert (ROOT / path.removesuffix("/**")).exists(), path
