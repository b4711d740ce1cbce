# SPDX-License-Identifier: Apache-2.0
"""Boards that are sold: their cores, caches, memory and network, as ``boards.toml`` has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_text, toml_reader
from .caches import KIB, Caches

FILE = Path(__file__).parent / "boards.toml"
TRIPLE = "aarch64-linux-gnu"


@dataclass(frozen=True)
class CoreCluster:
    """Cores of one kind.

    Parameters
    ----------
    mcpu : str
        LLVM's name of the core.
    cores : int
        How many.
    ghz : float
        Their clock, in 1e9 cycles per second.
    l1, l2 : int
        KiB of a core's first cache of data, and of the next one.
    sharing : int
        Cores that share one ``l2``.
    l3 : int
        KiB of a cache behind these; 0 if there is none.
    """

    mcpu: str
    cores: int
    ghz: float
    l1: int
    l2: int
    sharing: int = 1
    l3: int = 0

    @property
    def target(self) -> str:
        """TVM target of the cores."""
        return f"llvm -mtriple={TRIPLE} -mcpu={self.mcpu} -keys=arm_cpu,cpu"

    @property
    def caches(self) -> Caches:
        """As schedules see them."""
        return Caches(self.l1 * KIB, self.l2 * KIB, self.sharing)


@dataclass(frozen=True)
class KnownBoard:
    """A board that many people have.

    Parameters
    ----------
    key : str
        Its name on the command line.
    name : str
        As it is sold.
    clusters : tuple of CoreCluster
        The first has the cores that inferences run on.
    memory_bandwidth : float
        1e9 bytes per second, at most.
    link : float
        1e9 bits per second of its wired network.
    sources : tuple of str
        Where the figures are from.
    """

    key: str
    name: str
    clusters: tuple[CoreCluster, ...]
    memory_bandwidth: float
    link: float
    sources: tuple[str, ...] = field(default=(), repr=False)

    @property
    def big(self) -> CoreCluster:
        """The cores that inferences run on."""
        return self.clusters[0]

    @property
    def target(self) -> str:
        """TVM target of these cores."""
        return self.big.target

    @property
    def threads(self) -> int:
        """As many as there are such cores."""
        return self.big.cores

    @property
    def bandwidth(self) -> float:
        """Bits per second of its network."""
        return self.link * 1e9


@cache
def known_boards() -> dict[str, KnownBoard]:
    """All boards of ``boards.toml``, by their names on the command line."""
    return {key: _board(key, data) for key, data in toml_reader().loads(read_text(FILE)).items()}


def known_board(key: str) -> KnownBoard:
    """A board by its name on the command line.

    Parameters
    ----------
    key : str
        The name, such as ``pi4``.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    boards = known_boards()
    if key not in boards:
        raise InputError(f"board '{key}' is not known: choose one of {', '.join(boards)}")
    return boards[key]


def parse_boards(texts: Sequence[str], number: int | None = None) -> tuple[KnownBoard, ...]:
    """Boards in the order of their ranks.

    Parameters
    ----------
    texts : sequence of str
        Each ``NAME``, ``NAME:NUMBER`` or several of these with commas between them.
    number : int, optional
        How many there are if one name without a number is all that is given.

    Returns
    -------
    boards : tuple of KnownBoard
        One for each rank.

    Raises
    ------
    InputError
        If a name is not known, or a number is none.

    Examples
    --------
    >>> [board.key for board in parse_boards(["pi4:2,pi5"])]
    ['pi4', 'pi4', 'pi5']
    """
    parts = [part for text in texts for part in text.split(",")]
    found: list[KnownBoard] = []
    for part in parts:
        key, colon, count = part.strip().partition(":")
        if colon and not (count.isdecimal() and 0 < int(count) < 1000):
            raise InputError(f"--board '{part}' is not NAME or NAME:NUMBER, such as pi4:3")
        times = int(count) if colon else (number or 1) if len(parts) == 1 else 1
        found += [known_board(key)] * times
    return tuple(found)


def _board(key: str, data: dict[str, Any]) -> KnownBoard:
    clusters = tuple(CoreCluster(**cluster) for cluster in data["cluster"])
    plain = {name: data[name] for name in ("name", "memory_bandwidth", "link")}
    return KnownBoard(key, clusters=clusters, sources=tuple(data["sources"]), **plain)
