# SPDX-License-Identifier: Apache-2.0
"""Tutorials run, and print what their readers are told to look for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

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


def test_video_over_two_boards(tmp_path):
    """Frames of a file come out in their order: the square is where it was."""
    video, edges = tmp_path / "bars.avi", tmp_path / "edges.avi"
    size, rng = (320, 240), np.random.default_rng(5)
    lefts = [int(left) for left in rng.integers(20, 280, 12)]
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25, size)
    for left in lefts:
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, left:] = 255
        writer.write(picture)
    writer.release()
    shown = printed("video_over_two_boards.py", str(video), str(edges))
    assert f"{len(lefts)} frames" in shown
    assert float(re.search(r"difference to OpenCV: (\S+)", shown)[1]) < 1e-4
    found, there = [], True
    capture = cv2.VideoCapture(str(edges))
    while there:
        there, picture = capture.read()
        found += [int(picture[100:140, 5:315].sum(axis=(0, 2)).argmax()) + 5] if there else []
    capture.release()
    assert len(found) == len(lefts)
    assert np.abs(np.subtract(found, lefts)).max() <= 3


def test_a_video_that_is_none_is_said(tmp_path):
    script = [sys.executable, str(TUTORIALS / "video_over_two_boards.py"), "no.avi"]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "'no.avi' is neither a camera nor a video" in done.stderr
