# SPDX-License-Identifier: Apache-2.0
"""A board that stays registered: a server, watched, and started again when it is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ClusterError
from .link_key import VARIABLE
from .local import last_line
from .tracker import connect_tracker

#: Seconds between looks at the tracker, and looks in vain before a server is started again.
LOOK_SECONDS, LOOKS = 1.0, 3
#: Seconds that a server is given to register for the first time: it imports TVM.
START_SECONDS = 60.0
#: Seconds before a server that ended is started again, doubled each time up to the most.
PAUSE_SECONDS, MOST_PAUSE = 0.2, 10.0
LOG = "server.log"
SERVER = (sys.executable, "-P", str(Path(__file__).with_name("board_server.py")))


@dataclass(frozen=True)
class BoardOptions:
    """What a board is.

    Parameters
    ----------
    tracker : (str, int)
        Where it registers.
    key : str
        Under which name.
    host : str
        Address that it listens at.
    address : str or None
        By which others reach it; None is the address by which it reaches the tracker.
    port, port_end : int
        It listens on the first free port of these.
    threads : int or None
        Cores that a tile uses; None is all.
    memory : int or None
        Bytes of data of a process at most; None is no limit.
    psk : Path or None
        File of the key that encrypts its links; None leaves them plain.
    alive : int
        Seconds after which a host that gives no sign of life is gone.
    """

    tracker: tuple[str, int]
    key: str
    host: str = "0.0.0.0"
    address: str | None = None
    port: int = 9090
    port_end: int = 9199
    threads: int | None = None
    memory: int | None = None
    alive: int = 30
    psk: Path | None = None


class BoardService:
    """Keeps one board registered until it is told to stop.

    Parameters
    ----------
    options : BoardOptions
        The board.
    say : callable
        Gets one line for each event.
    notify : callable
        Gets what systemd is told: ``READY=1``, ``WATCHDOG=1``.
    """

    def __init__(
        self,
        options: BoardOptions,
        say: Callable[[str], None],
        notify: Callable[[str], None] = lambda _: None,
    ):
        self._options, self._say, self._notify = options, say, notify
        self._stop = threading.Event()
        self._server: subprocess.Popen | None = None
        self._port: int | None = None

    def stop(self) -> None:
        """End the board; `run` returns."""
        self._stop.set()

    def run(self) -> None:
        """Serve until `stop`; nothing is left running."""
        pause = PAUSE_SECONDS
        while not self._stop.is_set():
            with tempfile.TemporaryDirectory(prefix="flexpie-board-") as work:
                try:
                    self._start(Path(work))
                    served = self._watch(Path(work) / LOG)
                finally:
                    self._end()
            if self._stop.is_set():
                break
            pause = PAUSE_SECONDS if served else min(2 * pause, MOST_PAUSE)
            self._stop.wait(pause)
        self._say("ended")

    def _start(self, work: Path) -> None:
        o = self._options
        command = [*SERVER, "--host", o.host, "--tracker", f"{o.tracker[0]}:{o.tracker[1]}"]
        command += ["--key", o.key, "--work", str(work), "--alive", str(o.alive)]
        command += ["--port", str(o.port), "--port-end", str(o.port_end)]
        command += ["--custom-addr", o.address] if o.address else []
        command += ["--memory", str(o.memory)] if o.memory else []
        settings = {"TVM_USE_RUNTIME_LIB": "1"}
        settings |= {"TVM_NUM_THREADS": str(o.threads)} if o.threads else {}
        settings |= {VARIABLE: str(o.psk.absolute())} if o.psk else {}
        self._port = None
        with (work / LOG).open("wb") as log:
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **settings},
                cwd=work,
                start_new_session=True,  # sessions are children of it, and end with it
                text=True,
            )
        threading.Thread(target=self._read_port, args=(self._server,), daemon=True).start()

    def _read_port(self, server: subprocess.Popen) -> None:
        for line in server.stdout:
            if line.startswith("port ") and server is self._server:
                self._port = int(line.split()[1])

    def _watch(self, log: Path) -> bool:
        """Wait until the server is lost or we are told to stop; whether it ever registered."""
        registered, missed, begun = False, 0, time.monotonic()
        while not self._stop.wait(LOOK_SECONDS):
            self._notify("WATCHDOG=1")
            if self._server.poll() is not None:
                self._say(f"the server ended ({last_line(log)}): starting another")
                return registered
            listed = self._is_listed()
            if listed:
                if not registered:
                    self._say(f"registered as {self._options.key}, port {self._port}")
                    self._notify("READY=1")
                registered, missed = True, 0
            elif listed is False:  # a tracker that does not answer has nothing to say of us
                late = time.monotonic() - begun > START_SECONDS
                missed += registered or late
                if missed >= LOOKS:
                    self._say("the tracker does not list it any more: starting the server again")
                    return registered
        return registered

    def _is_listed(self) -> bool | None:
        """Whether the tracker knows this server; None if the tracker does not answer."""
        if self._port is None:
            return False
        try:
            tracker = connect_tracker(*self._options.tracker)
            try:
                servers = tracker.summary()["server_info"]
            finally:
                tracker.close()
        except (ClusterError, OSError, ValueError):
            return None
        key = f"server:{self._options.key}"
        return any(
            server["key"] == key and int(server["addr"][1]) == self._port and self._is_ours(server)
            for server in servers
        )

    def _is_ours(self, server: dict) -> bool:
        """Whether an address of the tracker's list is of this machine."""
        address = server["addr"][0]
        if address == self._options.address:
            return True
        try:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
                probe.bind((address, 0))  # an address of another machine cannot be bound
            return True
        except OSError:
            return False

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        server.stdout.close()


def systemd_notifier() -> Callable[[str], None]:
    """Tell systemd, if it has started us with ``Type=notify``; else nothing is told."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return lambda _: None
    address = "\0" + place[1:] if place.startswith("@") else place

    def notify(text: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(text.encode(), address)

    return notify
