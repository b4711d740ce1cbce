# SPDX-License-Identifier: Apache-2.0
"""A server in a process of its own, and a line to it by which each notices the other's end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOG = "server.log"
#: Bytes of the log at most, between looks.
MOST_LOG = 1 << 20
#: Serves in a folder until it is over; tells the port that it listens on.
Serve = Callable[[Path, Callable[[int], None]], None]


class ServerProcess:
    """A server that was forked from this process.

    What this process has imported is there at once, and held in memory once. The server and its
    sessions are a process group, which ends when this process does, however it ends.

    Parameters
    ----------
    serve : callable
        What the server does.
    work : Path
        Its folder.
    settings : mapping
        Of its environment.
    """

    def __init__(self, serve: Serve, work: Path, settings: dict[str, str]):
        self._log = work / LOG
        self._line, theirs = socket.socketpair()
        #: None until it listens.
        self.port: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            _be_server(serve, work, settings, theirs)
        theirs.close()
        with suppress(OSError):  # of the two, whoever comes first; it is in a group of its own
            os.setpgid(self.pid, self.pid)

    def fileno(self) -> int:
        """Readable when there is something to `hear`."""
        return self._line.fileno()

    def hear(self) -> bool:
        """Take its port when it tells that; whether it is alive."""
        try:
            said = self._line.recv(64)
        except OSError:
            said = b""
        if said:
            self.port = int(said)
        return bool(said)

    def end(self) -> None:
        """End it with its sessions."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._line.close()

    def keep_log_short(self) -> None:
        """Begin the log anew when it is long: every session adds lines, for months."""
        with suppress(OSError):  # it has not been made yet
            if self._log.stat().st_size > MOST_LOG:
                os.truncate(self._log, 0)  # it is appended to

    def last_line(self) -> str:
        """What it said last."""
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _be_server(serve: Serve, work: Path, settings: dict[str, str], line: socket.socket) -> None:
    """Never returns."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _say_into(work / LOG)
        os.environ.update(settings)
        # a session that outlives the server must not make it seem alive
        os.register_at_fork(after_in_child=line.close)
        threading.Thread(target=_end_with_service, args=(line,), daemon=True).start()
        serve(work, lambda port: line.sendall(b"%d" % port))
    except BaseException:
        traceback.print_exc()
    finally:
        # threads of a session may be left, and would keep the process
        os._exit(1)


def _say_into(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for ours, standard in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(ours, standard)
    os.close(nothing)
    os.close(file)
    # whatever these were in the service
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _end_with_service(line: socket.socket) -> None:
    with suppress(OSError):
        line.recv(1)  # nothing is ever sent
    os.killpg(0, signal.SIGKILL)
