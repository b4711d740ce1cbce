# SPDX-License-Identifier: Apache-2.0
"""What is known of the testbeds of this machine, in a folder that all processes share.

Each testbed has a folder with ``testbed.json`` and its servers' logs. The record is written before
anything is made, so that whatever a killed process left can be found and removed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ...errors import ClusterError
from .lock import locked
from .network import BoardNetwork
from .options import TestbedOptions

STATE_FOLDER = Path("/run/flexpie-testbed")
VERSION = 1
FILE = "testbed.json"
# RFC 2544 sets 198.18.0.0/15 aside for tests of network devices: nobody else has them.
SUBNETS = tuple(f"198.{18 + high}.{low}" for high in range(2) for low in range(256))


@dataclass(frozen=True)
class TestbedRecord:
    """One testbed.

    Parameters
    ----------
    name, id : str
        The user's name for it, and the part of all its names in the kernel.
    subnet : str
        First three bytes of its addresses.
    options : TestbedOptions
        What was asked for.
    owner : tuple of int, optional
        Process id and start time of the process that the testbed ends with; None if it stays
        until it is taken down.
    netem : bool
        Whether the kernel delays packets; otherwise the boards' runtime delays messages.
    ready : bool
        Whether it came up.
    rates : dict
        Measured bits/s of payload per link.
    """

    name: str
    id: str
    subnet: str
    options: TestbedOptions
    owner: tuple[int, int] | None = None
    netem: bool = False
    ready: bool = False
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def network(self) -> BoardNetwork:
        """Its names, addresses and cables."""
        return BoardNetwork(self.id, self.subnet, self.options)

    @property
    def orphaned(self) -> bool:
        """Whether the process that it should have ended with is gone."""
        return self.owner is not None and start_time(self.owner[0]) != self.owner[1]


def folder_of(folder: Path, name: str) -> Path:
    """A testbed's own folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise ClusterError(f"'{name}' is no name for a testbed: use letters, digits, '-' and '_'")
    return folder / name


def reserve(folder: Path, name: str, options: TestbedOptions, netem: bool = False) -> TestbedRecord:
    """Take a name, an id and addresses that no other testbed has, and write that down.

    The testbed is owned by this process, until it is saved with another owner.

    Raises
    ------
    ClusterError
        If the name is taken or the folder cannot be written.
    """
    own = folder_of(folder, name)
    owner = os.getpid(), start_time(os.getpid())
    with locked(folder, "testbeds"):
        if (own / FILE).exists():
            raise ClusterError(
                f"testbed '{name}' is there already: take it down or give another --name"
            )
        own.mkdir(exist_ok=True)
        number = secrets.token_hex(3)
        subnet = _free_subnet({record.subnet for record in records(folder)}, int(number, 16))
        record = TestbedRecord(name, number, subnet, options, owner, netem)
        save(folder, record)
    return record


def save(folder: Path, record: TestbedRecord) -> None:
    """Write a record, so that a reader sees the old or the new one."""
    path = folder_of(folder, record.name) / FILE
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"version": VERSION, **asdict(record)}, indent=1) + "\n")
    scratch.replace(path)


def load(folder: Path, name: str) -> TestbedRecord:
    """The record of a testbed.

    Parameters
    ----------
    folder : Path
        Where the state of testbeds is kept.
    name : str
        The testbed.

    Raises
    ------
    ClusterError
        If there is none or it is damaged.
    """
    path = folder_of(folder, name) / FILE
    try:
        data = json.loads(path.read_text())
        if data.pop("version") != VERSION:
            raise ValueError("it is of another version")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data["options"].items()}
        owner = data["owner"] and tuple(data["owner"])
        return replace(TestbedRecord(**{**data, "options": TestbedOptions(**values)}), owner=owner)
    except FileNotFoundError:
        raise ClusterError(f"there is no testbed '{name}' (in {folder})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ClusterError(f"{path} is damaged: {error}") from None


def records(folder: Path) -> list[TestbedRecord]:
    """All testbeds, by name.

    Parameters
    ----------
    folder : Path
        Where the state of testbeds is kept; it may be missing.
    """
    if not folder.is_dir():
        return []
    return [load(folder, path.parent.name) for path in sorted(folder.glob(f"*/{FILE}"))]


def forget(folder: Path, name: str) -> None:
    """Remove a testbed's folder."""
    shutil.rmtree(folder_of(folder, name), ignore_errors=True)


def start_time(pid: int) -> int:
    """When a process started, in ticks since boot; 0 if there is none (ids are used again)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def _free_subnet(taken: set[str], first: int) -> str:
    """A subnet that nobody has; ``first`` says where to begin, so that two rarely meet.

    Testbeds whose records are in another folder have a route on this machine, too.
    """
    routes = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True).stdout
    for k in range(len(SUBNETS)):
        subnet = SUBNETS[(first + k) % len(SUBNETS)]
        if subnet not in taken and f"{subnet}." not in routes:
            return subnet
    raise ClusterError(f"all {len(SUBNETS)} subnets for testbeds are in use: take some down")
