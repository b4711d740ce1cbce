# SPDX-License-Identifier: Apache-2.0
"""Limit processor time, cores and memory of a board's processes with control groups.

Each of the controllers ``cpu``, ``cpuset`` and ``memory`` may be in a hierarchy of version 1 or in
the one of version 2; both may be there side by side.
"""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ClusterError

CONTROLLERS = ("cpu", "cpuset", "memory")
# Short, so that a board with half a core is a slow board, not one that stops for 50 ms.
PERIOD_US = 5000
LEAST_QUOTA_US = 1000  # the kernel's
REMOVE_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What a board may use.

    Parameters
    ----------
    quota : float
        Cores' time; 1 or more means no limit.
    cores : str
        Cores in the kernel's notation, such as ``0`` or ``0-3``.
    memory : int
        Bytes; 0 means no limit.
    """

    quota: float
    cores: str
    memory: int

    @property
    def controllers(self) -> tuple[str, ...]:
        """The controllers that these limits need."""
        needed = {"cpu": self.quota < 1, "cpuset": True, "memory": self.memory > 0}
        return tuple(name for name in CONTROLLERS if needed[name])


@dataclass(frozen=True)
class Hierarchy:
    """Where a controller's groups are."""

    root: Path
    version: int


def find_hierarchies(mounts: str) -> dict[str, Hierarchy]:
    """Where each controller is.

    Parameters
    ----------
    mounts : str
        What ``/proc/self/mounts`` says.
    """
    found: dict[str, Hierarchy] = {}
    for line in mounts.splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup":
            names = set(options.split(",")) & set(CONTROLLERS)
            found |= {name: Hierarchy(Path(folder), 1) for name in names}
        elif kind == "cgroup2":
            file = Path(folder, "cgroup.controllers")
            names = set(file.read_text().split()) & set(CONTROLLERS) if file.exists() else set()
            found |= {n: Hierarchy(Path(folder), 2) for n in names if n not in found}
    return found


def make_group(
    hierarchies: Mapping[str, Hierarchy], bed: str, board: str, limits: Limits
) -> list[Path]:
    """Make a board's groups.

    Parameters
    ----------
    hierarchies : mapping
        What `find_hierarchies` found.
    bed, board : str
        Names of the testbed's group and, in it, the board's.
    limits : Limits
        What the board may use.

    Returns
    -------
    files : list of Path
        A process that writes its id to all of them is limited.

    Raises
    ------
    ClusterError
        If a controller is missing or refuses a limit.
    """
    files = []
    for name in limits.controllers:
        if name not in hierarchies:
            raise ClusterError(
                f"this kernel has no control group controller '{name}', which limits boards: "
                "mount it (cgroup v1 or v2)"
            )
        hierarchy = hierarchies[name]
        group = hierarchy.root / bed / board
        try:
            group.mkdir(parents=True, exist_ok=True)
            if hierarchy.version == 2:
                for parent in (hierarchy.root, hierarchy.root / bed):
                    (parent / "cgroup.subtree_control").write_text(f"+{name}")
            for path, value in _settings(name, hierarchy, bed, board, limits):
                path.write_text(value)
        except OSError as error:
            raise ClusterError(f"control group {group} refuses a limit: {error.strerror}") from None
        if group / "cgroup.procs" not in files:
            files.append(group / "cgroup.procs")
    return files


def find_group(hierarchies: Mapping[str, Hierarchy], bed: str, board: str) -> list[Path]:
    """Files of a board's groups, as `make_group` gave them."""
    roots = {hierarchy.root for hierarchy in hierarchies.values()}
    files = [root / bed / board / "cgroup.procs" for root in sorted(roots)]
    return [file for file in files if file.exists()]


def remove_groups(hierarchies: Mapping[str, Hierarchy], bed: str) -> None:
    """Remove a testbed's groups, whose processes have ended."""
    for root in {hierarchy.root for hierarchy in hierarchies.values()}:
        folder = root / bed
        if folder.exists():
            for group in (*(g for g in folder.iterdir() if g.is_dir()), folder):
                _remove(group)


def _settings(name: str, hierarchy: Hierarchy, bed: str, board: str, limits: Limits):
    """Files and what to write into them, in this order."""
    group, old = hierarchy.root / bed / board, hierarchy.version == 1
    if name == "cpu":
        period = max(PERIOD_US, math.ceil(LEAST_QUOTA_US / limits.quota))
        quota = max(LEAST_QUOTA_US, round(limits.quota * period))
        if old:
            yield group / "cpu.cfs_period_us", str(period)
            yield group / "cpu.cfs_quota_us", str(quota)
        else:
            yield group / "cpu.max", f"{quota} {period}"
    elif name == "cpuset":
        if old:  # a group of version 1 starts without memory nodes and without cores
            nodes = (hierarchy.root / "cpuset.mems").read_text().strip()
            yield group.parent / "cpuset.mems", nodes
            yield group.parent / "cpuset.cpus", (hierarchy.root / "cpuset.cpus").read_text().strip()
            yield group / "cpuset.mems", nodes
        yield group / "cpuset.cpus", limits.cores
    elif old:
        yield group / "memory.limit_in_bytes", str(limits.memory)
    else:
        yield group / "memory.max", str(limits.memory)
        if (group / "memory.swap.max").exists():
            yield group / "memory.swap.max", "0"


def _remove(group: Path) -> None:
    """Processes that were just killed leave their group a moment later."""
    until = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            return group.rmdir()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                raise ClusterError(
                    f"control group {group} cannot be removed: {error.strerror}"
                ) from None
            time.sleep(0.02)
