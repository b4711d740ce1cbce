# SPDX-License-Identifier: Apache-2.0
"""Bring a testbed up, and take it down."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...errors import ClusterError
from ...runtime.link_key import VARIABLE
from ...runtime.local import last_line
from ...runtime.secure_socket import host_key
from ...runtime.tracker import free_boards
from .board_python import BoardPython, board_python
from .cgroups import Limits, find_group, find_hierarchies, make_group, remove_groups
from .commands import check_system
from .cpus import CpuShare, alone
from .described import Testbed, describe
from .links import has_netem, make_network, remove_network
from .lock import locked
from .options import TestbedOptions
from .rates import measure_rates
from .servers import end_all, processes, server_command, start, tracker_command
from .state import STATE_FOLDER, TestbedRecord, forget, load, records, reserve, save
from .ticks import tick_command, ticked_cores

# A board under qemu takes a minute on a busy machine: it imports TVM twice.
START_SECONDS = 180.0


@contextmanager
def testbed(
    options: TestbedOptions | None = None,  # noqa: PT028 (no test)
    name: str | None = None,  # noqa: PT028
    folder: Path = STATE_FOLDER,  # noqa: PT028
) -> Iterator[Testbed]:
    """A testbed while the body runs; it is removed on leaving, whatever happens.

    If this process is killed, the next ``up`` or ``down`` in the same folder removes it.

    Parameters
    ----------
    options : TestbedOptions, optional
        Its boards and links; two equal boards at 1 Gb/s by default.
    name : str, optional
        A name that no other testbed has; random by default.
    folder : Path
        Where the state of testbeds is kept.

    Raises
    ------
    ClusterError
        If we are not root, or a part of it does not come up.
    """
    name = name or f"bed-{secrets.token_hex(4)}"
    record = up(options or TestbedOptions(), name, folder, owned=True)
    try:
        yield describe(record)
    finally:
        down(name, folder)


testbed.__test__ = False


def up(
    options: TestbedOptions,
    name: str,
    folder: Path = STATE_FOLDER,
    owned: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> TestbedRecord:
    """Bring a testbed up.

    Parameters
    ----------
    options : TestbedOptions
        Its boards and links.
    name : str
        A name that no other testbed has.
    folder : Path
        Where the state of testbeds is kept.
    owned : bool
        Whether it should end with this process.
    say : callable
        Told what is being done.

    Returns
    -------
    record : TestbedRecord
        What is known of it, also kept in ``folder``.

    Raises
    ------
    ClusterError
        If we are not root, or a part of it does not come up; nothing is left then.
    InputError
        If ``options.secure`` is no key.
    """
    check_system()
    host_key(options.secure or None)  # before anything is made
    cores, shares = sorted(os.sched_getaffinity(0)), options.shares
    say("preparing the boards' Python")
    pythons = {arch: board_python(arch) for arch in sorted(set(options.arch_of))}
    clear_orphans(folder)
    netem = options.latency > 0 and has_netem()
    record = reserve(folder, name, options, netem)
    try:
        say("making links")
        make_network(record.network, netem)
        say("starting boards")
        _start_boards(record, folder, shares, cores, pythons)
        say("measuring links")
        rates, owner = measure_rates(record.network), record.owner if owned else None
        record = replace(record, ready=True, rates=rates, owner=owner)
        save(folder, record)
    except BaseException:
        down(name, folder)
        raise
    return record


def add_server(
    bed: Testbed,
    rank: int,
    program: Sequence[str],
    key: str,
    folder: Path = STATE_FOLDER,
) -> None:
    """Start another RPC server on a board; it shares the board's core, memory and links.

    Parameters
    ----------
    bed : Testbed
        A testbed that is up; the server ends with it.
    rank : int
        The board, of this machine's architecture.
    program : sequence of str
        What to run; it gets the options of ``tvm.exec.rpc_server``.
    key : str
        Where it registers with the testbed's tracker.
    folder : Path
        Where the state of testbeds is kept.

    Raises
    ------
    ClusterError
        If it does not register.
    """
    record = load(folder, bed.name)
    network, log = record.network, folder / bed.name / f"server{rank}-{key}.log"
    groups = find_group(_hierarchies(), _group(record), f"board{rank}")
    command = server_command(network, rank, program, key)
    threads = str(bed.options.threads)
    environment = {"TVM_NUM_THREADS": threads, "TVM_BIND_THREADS": "0", **_key(bed.options)}
    start(network.board(rank), command, log, environment, groups)
    until = time.monotonic() + START_SECONDS
    while free_boards(bed.host, bed.port, key) < 1:
        if time.monotonic() > until:
            raise ClusterError(f"server '{key}' of board {rank} is not there: {last_line(log)}")
        time.sleep(0.1)


def down(name: str, folder: Path = STATE_FOLDER) -> None:
    """End a testbed's processes and remove all of it, complete or not.

    Parameters
    ----------
    name : str
        The testbed.
    folder : Path
        Where the state of testbeds is kept.

    Raises
    ------
    ClusterError
        If there is none of that name, or something cannot be removed.
    """
    check_system()
    record = load(folder, name)
    end_all(record.network.namespaces)
    remove_network(record.network)
    remove_groups(_hierarchies(), _group(record))
    forget(folder, name)


def clear_orphans(folder: Path = STATE_FOLDER) -> list[str]:
    """Take down the testbeds whose process is gone.

    Parameters
    ----------
    folder : Path
        Where the state of testbeds is kept.

    Returns
    -------
    names : list of str
        Of those that were taken down.
    """
    with locked(folder, "orphans"):  # several programs may start at once
        names = [record.name for record in records(folder) if record.orphaned]
        for name in names:
            down(name, folder)
    return names


def running(record: TestbedRecord) -> list[bool]:
    """Whether each board's server runs.

    Parameters
    ----------
    record : TestbedRecord
        Of a testbed.
    """
    network = record.network
    return [bool(processes(network.board(rank))) for rank in range(record.options.boards)]


def _start_boards(
    record: TestbedRecord,
    folder: Path,
    shares: tuple[CpuShare, ...],
    cores: list[int],
    pythons: dict[str, BoardPython],
) -> None:
    network, options, logs = record.network, record.options, folder / record.name
    start(network.switch, tracker_command(network), logs / "tracker.log", {})
    for core in ticked_cores(shares, cores):
        start(network.switch, tick_command(core), logs / f"ticks{core}.log", {})
    hierarchies, everywhere = _hierarchies(), ",".join(map(str, cores))
    for rank, (arch, share) in enumerate(zip(options.arch_of, shares, strict=True)):
        where = everywhere if share.core is None else str(share.core)
        limits = Limits(share.quota, where, options.memory)
        groups = make_group(hierarchies, _group(record), f"board{rank}", limits)
        python = pythons[arch]
        program = [*python.command, "-m", "tvm.exec.rpc_server"]
        if alone(rank, shares):  # it does not interrupt the host, which is another machine
            program = ["chrt", "--batch", "0", *program]
        command = server_command(network, rank, program, record.name)
        delay = {"FLEXPIE_LINK_LATENCY_US": f"{options.latency * 1e6:.0f}"}
        environment = {
            **python.environment,
            **(delay if options.latency and not record.netem else {}),
            **_key(options),
            "TVM_USE_RUNTIME_LIB": "1",
            "TVM_NUM_THREADS": str(options.threads),
            "TVM_BIND_THREADS": "0",  # the control group says which core
        }
        start(network.board(rank), command, logs / f"board{rank}.log", environment, groups)
    _wait_for_boards(record, logs)


def _key(options: TestbedOptions) -> dict[str, str]:
    """What tells servers, which work in other folders, the key of their links."""
    return {VARIABLE: str(Path(options.secure).absolute())} if options.secure else {}


def _wait_for_boards(record: TestbedRecord, logs: Path) -> None:
    bed, until = describe(record), time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        alive = running(record)
        if not all(alive):
            rank = alive.index(False)
            said = last_line(logs / f"board{rank}.log")
            raise ClusterError(f"the server of board {rank} ended: {said}")
        try:
            if free_boards(bed.host, bed.port, bed.key) >= bed.boards:
                return
        except ClusterError:  # the tracker is still importing TVM
            pass
        time.sleep(0.1)
    said = "; ".join(last_line(path) for path in sorted(logs.glob("*.log")))
    raise ClusterError(f"not all boards registered within {START_SECONDS:.0f} s: {said}")


def _hierarchies():
    return find_hierarchies(Path("/proc/self/mounts").read_text())


def _group(record: TestbedRecord) -> str:
    return f"flexpie-{record.id}"
