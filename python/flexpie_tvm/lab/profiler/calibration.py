# SPDX-License-Identifier: Apache-2.0
"""Few tiles that tell most of boards, timed within two minutes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

from ...cost import Cost
from ...cost.corrections import sort_of
from ...cost.traces import TileTrace
from .families import FAMILIES
from .sampler import random_subject, sample_tiles
from .tile_profile import TileProfiler
from .tiles import TileProgram

#: Family of tiles -> how many of them are chosen, in proportion.
WEIGHTS: Mapping[str, float] = {
    "conv": 5, "pointwise": 5, "depthwise": 3, "matmul": 3, "other": 2.5, "pool": 2,
    "elementwise": 1.5, "grouped": 1, "transposed": 1,
}  # fmt: skip
#: Layers that are drawn of each family, to choose from.
_DRAWN = 6
#: Tiles that are predicted to take more milliseconds are not chosen.
_LONGEST = 60.0


@dataclass(frozen=True)
class CalibrationOptions:
    """How long, and of what.

    Parameters
    ----------
    seconds : float
        No batch of tiles is begun that would likely end later.
    tiles : int
        At most.
    seed : int
        Of the layers that tiles are chosen from.
    batch : int
        Tiles per build.
    """

    seconds: float
    tiles: int = 80
    seed: int = 0
    batch: int = 16


def chosen_tiles(
    target: tvm.target.Target, cost: Cost, options: CalibrationOptions
) -> list[TileProgram]:
    """Tiles of all families, small and large ones, of which the first few are as varied as all.

    Parameters
    ----------
    target : tvm.target.Target
        Of the boards.
    cost : Cost
        Which tells about how long a tile takes.
    options : CalibrationOptions
        How many.

    Returns
    -------
    programs : list of TileProgram
        At most as many as ``options.tiles``; none that takes too long.
    """
    programs = list(_drawn(target, np.random.default_rng(options.seed)))
    times = cost.compute([program.work for program in programs])
    left = [
        (program, float(np.log(ms)))
        for program, ms in zip(programs, times, strict=True)
        if 0 < ms <= _LONGEST
    ]
    chosen: list[tuple[TileProgram, float]] = []
    while left and len(chosen) < options.tiles:
        best = max(left, key=lambda one: _telling(one, chosen))
        left.remove(best)
        chosen.append(best)
    return [program for program, _ in chosen]


def time_chosen(
    profiler: TileProfiler,
    programs: Sequence[TileProgram],
    options: CalibrationOptions,
    tell: Callable[[float, str], object] = lambda done, text: None,
) -> list[TileTrace]:
    """Time tiles batch by batch, as many as the time is enough for; one batch at least.

    Parameters
    ----------
    profiler : TileProfiler
        Of the boards.
    programs : sequence of TileProgram
        In the order in which they are timed.
    options : CalibrationOptions
        Batch size, and for how many seconds a next batch is begun.
    tell : callable
        Gets the share of the time that is used (0 to 1) and a few words, after each batch.

    Returns
    -------
    traces : list of TileTrace
        Of the tiles that were timed.

    Raises
    ------
    BoardError
        If a board is lost.
    """
    start, longest, traces = time.monotonic(), 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(programs), options.batch):
            begun = time.monotonic()
            if first and begun - start + longest > options.seconds:
                break
            traces += profiler.time(programs[first : first + options.batch], Path(folder))
            longest = max(longest, time.monotonic() - begun)
            tell((time.monotonic() - start) / max(options.seconds, 1e-9), f"{len(traces)} timed")
    return traces


def _drawn(target: tvm.target.Target, rng: np.random.Generator) -> Iterator[TileProgram]:
    known: set = set()
    for family in FAMILIES:
        subject = random_subject(rng, _DRAWN, target, (family,))
        yield from sample_tiles(subject, rng, 1, known)


def _telling(
    one: tuple[TileProgram, float], chosen: Sequence[tuple[TileProgram, float]]
) -> tuple[float, float, float]:
    """What the next choice is the greatest of.

    The family that is furthest behind its share, then the sort of which there are fewest, then
    the size that is furthest from those of its sort.
    """
    program, size = one
    family, sort = program.work.conv_type, sort_of(program.work)
    works = [(other.work, length) for other, length in chosen]
    alike = [work for work, _ in works if work.conv_type == family]
    same = [length for work, length in works if sort_of(work) == sort]
    apart = min((abs(size - length) for length in same), default=np.inf)
    return -(len(alike) + 0.5) / WEIGHTS.get(family, 1), -len(same), apart
