# SPDX-License-Identifier: Apache-2.0
"""What a service does where its machine cannot give it what it needs."""

from __future__ import annotations

import os
import socket
import tempfile

from flexpie_board.options import BoardOptions
from flexpie_board.service import BoardService
from flexpie_board.systemd import systemd_notifier


def test_a_server_that_cannot_start_is_tried_again(tmp_path, monkeypatch):
    """A full disk, for instance, is full for a while."""
    place, lines = tmp_path / "not there yet", []
    monkeypatch.setattr(tempfile, "tempdir", str(place))

    def say(line: str) -> None:
        lines.append(line)
        place.mkdir(exist_ok=True)

    def notify(_: str) -> None:  # a server has been started, and is watched
        started.update(place.iterdir())
        service.stop()

    started = set()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # never listens
        options = BoardOptions(nobody.getsockname(), "k", host="127.0.0.1")
        service = BoardService(options, say, notify)
        service.run()
    assert "the server cannot start" in lines[0]
    assert len(started) == 1
    assert lines[-1] == "ended"
    assert list(place.iterdir()) == []


def test_systemd_that_does_not_hear_does_no_harm(tmp_path, monkeypatch):
    place = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    notify = systemd_notifier()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(place)
        notify("READY=1")
        assert systemd.recv(64) == b"READY=1"
    notify("WATCHDOG=1")
    os.unlink(place)
    notify("WATCHDOG=1")
