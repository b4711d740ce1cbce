# SPDX-License-Identifier: Apache-2.0
"""A board's folder is removed whatever ended the board, and never while it is in use."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from flexpie_board.work_folder import LOCK, PREFIX, remove_left_folders, work_folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """Where folders of these tests are, and no other board's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_removed_in_the_end_with_all_that_is_in_it(place):
    with work_folder() as folder:
        assert folder.parent == place
        (folder / "session").mkdir()
        (folder / "session" / "lib.so").write_bytes(b"x" * 10)
    assert list(place.iterdir()) == []


def test_the_folder_of_a_killed_owner_is_removed_and_counted(place):
    child = os.fork()
    if child == 0:
        with work_folder() as folder:
            (folder / "lib.so").write_bytes(b"x" * 1000)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(place.iterdir())) == 1
    assert remove_left_folders() == 1000
    assert list(place.iterdir()) == []


def test_the_folder_of_an_owner_that_lives_stays(place):
    with work_folder() as folder:
        assert remove_left_folders() == 0
        assert folder.exists()


def test_a_fork_that_outlives_the_owner_keeps_it(place):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with work_folder():
            if os.fork() == 0:
                os.close(writing)
                os.read(reading, 1)  # until the test lets go
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    remove_left_folders()
    (folder,) = place.iterdir()
    os.close(writing)
    while folder.exists():  # as soon as the kernel has ended it
        remove_left_folders()


def test_what_is_not_a_board_s_stays(place):
    for name in ("other", f"{PREFIX}not-locked-yet"):
        (place / name).mkdir()
    (place / "other" / LOCK).touch()
    assert remove_left_folders() == 0
    assert len(list(place.iterdir())) == 2
