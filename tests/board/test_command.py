# SPDX-License-Identifier: Apache-2.0
"""``flexpie board`` by itself: what it cannot do is one line and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flexpie_board import command

FLEXPIE = str(Path(sys.executable).with_name("flexpie"))
PLACE = ["--tracker", "127.0.0.1:1", "--key", "k"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tracker", "nowhere", "--key", "k"], "is not HOST:PORT"),
        ([*PLACE, "--memory", "1MB"], "64MiB or more"),
        ([*PLACE, "--psk", "/nowhere"], "cannot be read"),
        ([*PLACE, "--odd"], "No such option"),
        (["--key", "k"], "Missing option '--tracker'"),
    ],
)
def test_bad_options(options, said, capsys):
    assert command.entry(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("flexpie: ")
    assert said in line


def test_it_is_the_command_that_is_installed():
    done = subprocess.run([FLEXPIE, "board", "--tracker", "?"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("flexpie: ")


def test_without_tvm_it_says_how_to_get_it(tmp_path):
    (tmp_path / "tvm.py").write_text("raise ImportError(\"No module named 'tvm'\", name='tvm')\n")
    folders = [str(tmp_path), str(Path(command.__file__).parents[1])]
    script = (
        f"import sys\nsys.path[:0] = {folders}\n"
        f"from flexpie_board.command import entry\nsys.exit(entry({PLACE}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("flexpie: No module named 'tvm': pip install ")
