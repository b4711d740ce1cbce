# SPDX-License-Identifier: Apache-2.0
"""What is known of boards that nobody here has: published times, and counts of the same networks.

``published.csv`` has milliseconds of one inference by ncnn, the least of several, as its authors
publish them for many boards (``benchmark/README.md`` of github.com/Tencent/ncnn, July 2026), for
the boards of ``boards.toml``: all cores of a kind, and one of them. Times of one thread on an
RK3588 stand for the Orange Pi 5 Plus, which has that processor. Tables are of several years, and
so of several versions of ncnn.

``counts.json`` has what one inference of these networks by ncnn 1.0.20261020 executes on one
thread: instructions, cycles of llvm-mca and misses of simulated caches, counted for a Cortex-A72
(fp32 arithmetic) and a Cortex-A76 (fp16 arithmetic) by ``benchmarks/board_counts.py``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path

from ..files import read_text
from .boards import CoreCluster, KnownBoard, known_board
from .precision import FP16, FP32

COUNTS = Path(__file__).parent / "counts.json"
PUBLISHED = Path(__file__).parent / "published.csv"
#: Cores whose arithmetic in fp16 ncnn uses.
NARROW = ("cortex-a55", "cortex-a76", "cortex-a78")
#: Core -> the one that llvm-mca has a model of.
PIPELINES = {
    "cortex-a57": "cortex-a72",
    "cortex-a76": "neoverse-n1",
    "cortex-a78": "neoverse-n1",
}

#: Core -> the one whose code and caches are counted in its place.
COUNTED_AS = {"cortex-a57": "cortex-a72", "cortex-a78": "cortex-a76"}


@dataclass(frozen=True)
class Counts:
    """What some code executes on one thread.

    Parameters
    ----------
    cycles : mapping
        Model of llvm-mca -> cycles with all data in L1.
    l2_misses : float
        Lines that come from memory, without a prefetcher.
    layers : int
        Operators that threads begin and end together.
    """

    cycles: Mapping[str, float]
    l2_misses: float
    layers: int


@dataclass(frozen=True)
class Published:
    """A published time.

    Parameters
    ----------
    board : KnownBoard
        The board.
    cluster : CoreCluster
        Those of its cores that worked.
    threads : int
        How many of them.
    network : str
        Its name.
    milliseconds : float
        Of one inference.
    """

    board: KnownBoard
    cluster: CoreCluster
    threads: int
    network: str
    milliseconds: float

    @property
    def precision(self) -> str:
        """Of the engine's arithmetic."""
        return FP16 if self.cluster.mcpu in NARROW else FP32

    @property
    def kind(self) -> str:
        """Of cores and board: what has coefficients of its own."""
        little = self.cluster is not self.board.big
        return f"{self.board.key} little" if little else self.board.key


@cache
def published_times() -> tuple[Published, ...]:
    """All of ``published.csv``."""
    found: list[Published] = []
    for row in csv.DictReader(StringIO(read_text(PUBLISHED))):
        board = known_board(row["board"])
        cluster = board.clusters[("big", "little").index(row["cores"])]
        ms = float(row["ms"])
        found.append(Published(board, cluster, int(row["threads"]), row["network"], ms))
    return tuple(found)


@cache
def counted_networks(cpu: str) -> dict[str, Counts]:
    """Network -> what ncnn executes on one thread of a processor.

    Parameters
    ----------
    cpu : str
        ``cortex-a72`` or ``cortex-a76``.

    Raises
    ------
    KeyError
        For any other.
    """
    data = json.loads(read_text(COUNTS))[cpu]
    return {
        name: Counts(figures["cycles"], figures["l2_misses"], figures["layers"])
        for name, figures in data.items()
    }


def counts_for(published: Published) -> Counts | None:
    """What was executed in a published time.

    Parameters
    ----------
    published : Published
        The time.

    Returns
    -------
    counts : Counts or None
        None if the network was not counted.
    """
    cpu = "cortex-a76" if published.cluster.mcpu in NARROW else "cortex-a72"
    return counted_networks(cpu).get(published.network)


def pipeline(mcpu: str) -> str:
    """The model of llvm-mca for a core."""
    return PIPELINES.get(mcpu, mcpu)


def counted_as(mcpu: str) -> str:
    """The core that is counted in the place of one."""
    return COUNTED_AS.get(mcpu, mcpu)
