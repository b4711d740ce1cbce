# SPDX-License-Identifier: Apache-2.0
"""A board that stays registered: a server, watched, and started again when it is lost."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from .options import BoardOptions
from .registration import is_listed
from .server_process import Serve, ServerProcess
from .values import KEY_VARIABLE
from .work_folder import remove_left_folders, work_folder

#: Seconds between looks at the tracker; a new server is looked for more often, for a while.
LOOK_SECONDS, NEW_LOOK_SECONDS, NEW_SECONDS = 1.0, 0.1, 5.0
#: Looks in vain before a server is started again.
LOOKS = 3
#: Seconds that a server is given to register for the first time.
START_SECONDS = 60.0
#: Seconds before a server that ended is started again, doubled each time up to the most if it
#: did not even listen.
PAUSE_SECONDS, MOST_PAUSE = 0.1, 10.0


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
        # a lock would not do: signals come while the thread that would wait for it holds it
        self._stopped, self._stop = socket.socketpair()

    def stop(self) -> None:
        """End the board; `run` returns. May be called by a signal's handler."""
        with suppress(OSError):  # it has ended
            self._stop.send(b"x", socket.MSG_DONTWAIT)

    def run(self) -> None:
        """Serve until `stop`; nothing is left running."""
        from .server import serve  # loads TVM; each server is a fork of it and needs not

        pause = PAUSE_SECONDS
        while not self._is_stopped():
            if freed := remove_left_folders():
                self._say(f"removed {freed / 1e6:.1f} MB that a killed board had left")
            served = False
            try:
                with work_folder() as work:
                    served = self._serve(partial(serve, self._options), work)
            except OSError as error:  # no disk, no memory, no more processes: that may pass
                self._say(f"the server cannot start ({error}): trying again")
            pause = PAUSE_SECONDS if served else min(2 * pause, MOST_PAUSE)
            select.select([self._stopped], [], [], pause)
        self._say("ended")
        self._stopped.close()
        self._stop.close()

    def _serve(self, serve: Serve, work: Path) -> bool:
        """Have a server until it is lost; whether it ever listened."""
        server = ServerProcess(serve, work, self._settings())
        try:
            self._watch(server)
        finally:
            server.end()
        return server.port is not None

    def _is_stopped(self) -> bool:
        return bool(select.select([self._stopped], [], [], 0)[0])

    def _settings(self) -> dict[str, str]:
        threads, psk = self._options.threads, self._options.psk
        settings = {"TVM_NUM_THREADS": str(threads)} if threads else {}
        return settings | ({KEY_VARIABLE: str(psk.absolute())} if psk else {})

    def _watch(self, server: ServerProcess) -> None:
        """Wait until the server is lost or we are told to stop."""
        registered, missed, begun = False, 0, time.monotonic()
        while True:
            is_new = not registered and time.monotonic() - begun < NEW_SECONDS
            pause = NEW_LOOK_SECONDS if is_new else LOOK_SECONDS
            ready, _, _ = select.select([self._stopped, server], [], [], pause)
            self._notify("WATCHDOG=1")
            if self._stopped in ready:
                return
            if server in ready:
                if not server.hear():
                    self._say(f"the server ended ({server.last_line()}): starting another")
                    return
                continue
            server.keep_log_short()
            listed = self._is_listed(server)
            if listed:
                if not registered:
                    self._say(f"registered as {self._options.key}, port {server.port}")
                    self._notify("READY=1")
                registered, missed = True, 0
            elif listed is False:  # a tracker that does not answer has nothing to say of us
                late = time.monotonic() - begun > START_SECONDS
                missed += registered or late
                if missed >= LOOKS:
                    self._say("the tracker does not list it any more: starting the server again")
                    return

    def _is_listed(self, server: ServerProcess) -> bool | None:
        o = self._options
        if server.port is None:
            return False
        return is_listed(o.tracker, o.key, server.port, [o.address] if o.address else [])
