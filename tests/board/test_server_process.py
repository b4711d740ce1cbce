# SPDX-License-Identifier: Apache-2.0
"""A server's process and its service notice each other's end, whatever is left of either."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

from flexpie_board.server_process import LOG, MOST_LOG, ServerProcess


def serve_until_killed(work, listening):
    listening(1234)
    signal.pause()


def serve_with_a_session(work, listening):
    """What it forks lives longer than it does."""
    if os.fork() == 0:
        (work / "session").write_text(str(os.getpid()))
        signal.pause()
    while not (work / "session").exists():
        time.sleep(0.01)
    listening(1)
    raise SystemError("nobody listens")


def hears(server: ServerProcess) -> bool:
    assert select.select([server], [], [], 60)[0]
    return server.hear()


def test_it_tells_its_port_and_ends_when_told(tmp_path):
    server = ServerProcess(serve_until_killed, tmp_path, {})
    assert hears(server)
    assert server.port == 1234
    assert is_alive(server.pid)
    server.end()
    assert not os.path.exists(f"/proc/{server.pid}")


def test_its_end_is_heard_though_a_session_is_left_and_the_session_ends_with_it(tmp_path):
    server = ServerProcess(serve_with_a_session, tmp_path, {})
    assert hears(server)
    assert not hears(server)
    session = int((tmp_path / "session").read_text())
    assert is_alive(session)
    server.end()
    assert has_ended(session)
    assert server.last_line() == "SystemError: nobody listens"


def test_a_long_log_begins_anew(tmp_path):
    def serve(work, listening):
        for number in range(2):
            listening(number + 1)
            while not (work / f"go{number}").exists():
                time.sleep(0.01)
            print("x" * (MOST_LOG if number == 0 else 10), flush=True)
        raise SystemError("the last line")

    server = ServerProcess(serve, tmp_path, {})
    assert hears(server)
    (tmp_path / "go0").touch()
    assert hears(server)
    server.keep_log_short()
    (tmp_path / "go1").touch()
    assert not hears(server)
    assert (tmp_path / LOG).read_text().startswith("x" * 10 + "\n")
    server.keep_log_short()
    assert server.last_line() == "SystemError: the last line"
    server.end()


def test_it_has_its_settings_and_writes_into_its_log(tmp_path):
    def serve(work, listening):
        print("told", os.environ["SETTING"], flush=True)
        os.system("echo told by a child")

    server = ServerProcess(serve, tmp_path, {"SETTING": "so"})
    assert not hears(server)
    server.end()
    assert (tmp_path / "server.log").read_text() == "told so\ntold by a child\n"
    assert server.port is None
    assert "SETTING" not in os.environ


def test_it_ends_when_its_service_is_killed(tmp_path):
    script = (
        "import pathlib, signal, sys\n"
        "from flexpie_board.server_process import ServerProcess\n"
        "def serve(work, listening):\n"
        "    listening(1)\n"
        "    signal.pause()\n"
        "server = ServerProcess(serve, pathlib.Path(sys.argv[1]), {})\n"
        "server.hear()\n"
        "print(server.pid, flush=True)\n"
        "signal.pause()\n"
    )
    service = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    server = int(service.stdout.readline())
    assert is_alive(server)
    service.kill()
    service.communicate()
    assert has_ended(server)


def has_ended(pid: int) -> bool:
    """Wait until a process is gone."""
    until = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
