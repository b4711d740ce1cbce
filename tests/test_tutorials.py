# SPDX-License-Identifier: Apache-2.0
"""Tutorials run, and print what their readers are told to look for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TUTORIALS = Path(__file__).parent.parent / "tutorials"


def test_partition_a_network():
    script = TUTORIALS / "partition_a_network.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("flexpie.partition") == 2
    error = float(done.stdout.split("largest difference to one board: ")[1].split()[0])
    assert error < 1e-4


def printed(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(TUTORIALS / name), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_passes_of_your_own():
    shown = printed("passes_of_your_own.py")
    assert "convolutions: 2, cuts: 0\nconvolutions: 2, cuts: 4\n" in shown
    errors = re.findall(r"largest difference: (\S+)", shown)
    assert len(errors) == 2
    assert all(float(error) < 1e-5 for error in errors)


def test_write_a_rule():
    shown = printed("write_a_rule.py")
    assert "cuttable without a rule: []\n" in shown
    assert "cuttable with it: [0]\n" in shown
    assert "read [2:4, 0:5, 0:4] and [2:4, 0:4]" in shown


def test_read_a_plan_page(tmp_path):
    shown = printed("read_a_plan_page.py", str(tmp_path / "plan.html"))
    assert re.match(r"predicted [\d.]+ ms by analytic, exact: True, gap: 0%\n", shown)
    scores = dict(re.findall(r"^  (\S+): [\d.]+ ms, score ([\d.]+)$", shown, re.MULTILINE))
    assert scores["auto"] == "1.00" == max(scores.values())
    assert "<html" in (tmp_path / "plan.html").read_text()
