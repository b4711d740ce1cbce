# SPDX-License-Identifier: Apache-2.0
"""Tutorials run, and print what their readers are told to look for."""

from __future__ import annotations

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
