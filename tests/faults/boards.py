# SPDX-License-Identifier: Apache-2.0
"""Boards of ``flexpie board`` in the namespaces of a testbed, and what can be done to them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread, Timer

from flexpie_tvm.lab.testbed import Testbed
from flexpie_tvm.lab.testbed.cuts import HOST, cable_cut, link_cut
from flexpie_tvm.lab.testbed.network import BoardNetwork
from flexpie_tvm.testing.faults import COMMAND, children, signal_group, wait_for

from .fault import Fault

#: Of a board that is slow: so many seconds it stands still, so many it goes on.
STANDS, GOES = 0.08, 0.04
#: Seconds until a service that died is started again: RestartSec of docs/boards.md.
RESTART_SECONDS = 1.0


class Boards:
    """Boards that come back.

    Parameters
    ----------
    bed : Testbed
        Whose tracker lists them.
    network : BoardNetwork
        Its network.
    key : str
        Under which they register.
    """

    def __init__(self, bed: Testbed, network: BoardNetwork, key: str):
        self.bed, self.network, self.key = bed, network, key
        self.count = network.options.boards
        self._services = [self._start(k) for k in range(self.count)]
        self._restarts: list[Timer] = []

    def number(self, address: str) -> int:
        """Which board has an address."""
        return [self.network.address(k) for k in range(self.count)].index(address)

    def wait_for(self, boards: int) -> float:
        """Seconds until so many are free; `PATIENCE` if they never are."""
        return wait_for(self.bed, self.key, boards)

    @contextmanager
    def struck(self, fault: Fault, victim: int, other: int) -> Iterator[None]:
        """A board, or two boards' link, has a fault while it lasts."""
        with ExitStack() as stack:
            if fault.kind == "link down":
                stack.enter_context(link_cut(self.network, victim, other))
            elif fault.kind.endswith("cable down"):
                end = HOST if fault.kind.startswith("host") else victim
                stack.enter_context(cable_cut(self.network, end))
            elif fault.kind == "kill main":
                self._restart(victim)
            else:
                self._strike_processes(fault.kind, self._server(victim), stack)
            yield

    def end(self) -> None:
        """End all boards."""
        for timer in self._restarts:
            timer.join()
        for service in self._services:
            service.terminate()
        for service in self._services:
            service.wait()

    def _start(self, k: int) -> subprocess.Popen:
        where = ["--tracker", f"{self.bed.host}:{self.bed.port}", "--key", self.key, "--alive", "4"]
        where += ["--host", self.network.address(k), "--port", str(22000 + 20 * k)]
        enter = ["ip", "netns", "exec", self.network.board(k)]
        return subprocess.Popen(
            [*enter, *COMMAND, *where, "--threads", "1"], stderr=subprocess.DEVNULL
        )

    def _server(self, k: int) -> int | None:
        """The process that listens, which leads the group of its sessions."""
        return next(iter(children(self._services[k].pid)), None)

    def _restart(self, k: int) -> None:
        """As systemd does: what a service leaves behind ends with it, and it is started again."""
        left = self._server(k)
        self._services[k].kill()
        self._services[k].wait()
        if left is not None:
            signal_group(left, signal.SIGKILL)
        self._restarts.append(Timer(RESTART_SECONDS, self._put_back, [k]))
        self._restarts[-1].start()

    def _put_back(self, k: int) -> None:
        self._services[k] = self._start(k)

    def _strike_processes(self, kind: str, server: int | None, stack: ExitStack) -> None:
        if server is None:
            return
        if kind == "kill session":
            for session in children(server):
                with suppress(ProcessLookupError):
                    os.kill(session, signal.SIGKILL)
        elif kind == "kill listener":
            signal_group(server, signal.SIGKILL)
        elif kind == "slow":
            stack.callback(_begin(lambda done: _hold_back(server, done)))
        else:
            stack.callback(signal_group, server, signal.SIGCONT)
            signal_group(server, signal.SIGSTOP)


def _hold_back(server: int, done: Event) -> None:
    while not done.wait(GOES):
        signal_group(server, signal.SIGSTOP)
        done.wait(STANDS)
        signal_group(server, signal.SIGCONT)


def _begin(work: Callable[[Event], None]) -> Callable[[], None]:
    """Begin something that goes on until it is told to end, by what is returned."""
    done = Event()
    thread = Thread(target=work, args=(done,), daemon=True)
    thread.start()

    def end() -> None:
        done.set()
        thread.join()

    return end
