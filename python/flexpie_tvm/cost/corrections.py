# SPDX-License-Identifier: Apache-2.0
"""What few measurements say of a cost model of other boards: factors, by sorts of work.

A sort's tiles take ``factor * predicted * (operations per byte) ** power``: other boards have other
arithmetic, and other memory. Logarithms of measured over predicted times are fitted by a sum of
parts: one for everything, one for each family, one for each sort, and the same for how they change
with operations per byte. Each is drawn to zero (ridge regression), so that a sort of few
measurements is told by its family, and a family of few by all others; what lies far from the rest
counts less (Huber's weights).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .link_correction import LinkCorrection
from .records import TileWork
from .windows import Window, Windows

#: What a family's and a sort's own part is drawn to zero by, in measurements.
FAMILY_DRAW, SORT_DRAW = 3.0, 6.0
#: The same for changes with operations per byte, and of what it is added to for one part.
POWER_DRAW, PART_POWER_DRAW = 1.0, 6.0
POWERS = -0.2, 0.5
#: Operations per byte are taken to be within these.
INTENSITIES = 0.1, 100.0
_FAR, _ROUNDS = 0.25, 12
_WINDOWS = ("conv", "depthwise", "grouped")


@dataclass(frozen=True)
class Correction:
    """Milliseconds become ``factor * milliseconds * intensity ** power``."""

    factor: float
    power: float = 0.0

    def __post_init__(self) -> None:
        if not (self.factor > 0 and POWERS[0] <= self.power <= POWERS[1]):
            raise ValueError(f"correction {self} is out of range")

    def times(self, ms: float, intensity: float = 1.0) -> float:
        """Corrected milliseconds."""
        return self.factor * ms * intensity**self.power

    def floor(self, ms: float, intensity: float, boards: int) -> float:
        """A time below which no cut over boards is that had this floor before.

        The board with the largest share does a part at least of as many operations as there are
        boards, and moves no more bytes than the whole: so much less can its intensity be.
        """
        least = intensity / boards if self.power > 0 else intensity
        return self.times(ms, max(least, INTENSITIES[0]))


@dataclass(frozen=True)
class Corrections:
    """Of all sorts of work.

    Parameters
    ----------
    by_sort : mapping of str to Correction
        Sort, family, or ``""`` for all others -> correction. Empty: no tile is corrected.
    by_kind : mapping of str to LinkCorrection
        Kind of transfers -> correction.
    """

    by_sort: Mapping[str, Correction]
    by_kind: Mapping[str, LinkCorrection] = field(default_factory=dict[str, LinkCorrection])

    def of(self, sort: str) -> Correction:
        """The nearest one that there is."""
        family = sort.partition(" ")[0]
        found = self.by_sort.get(sort) or self.by_sort.get(family) or self.by_sort.get("")
        return found or Correction(1.0)

    def tiles(self, windows: Windows, intensity: np.ndarray, ms: np.ndarray) -> np.ndarray:
        """Corrected milliseconds of tiles, by their operations per byte."""
        if not self.by_sort:
            return ms
        known = [self.of(sort_of(window)) for window in windows.different]
        factors, powers = (
            np.array([getattr(c, name) for c in known])[windows.own] for name in ("factor", "power")
        )
        return factors * ms * intensity**powers

    def transfers(self, kind: str, ms: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Corrected milliseconds of transfers of one kind; ``parts`` are of `link_parts`."""
        return self.by_kind[kind].times(ms, parts) if kind in self.by_kind else ms


def sort_of(tile: TileWork | Window) -> str:
    """Family and what else decides which kernel computes a tile."""
    family = tile.conv_type
    if family in _WINDOWS:
        if max(tile.strides) > 1:
            return f"{family} strided"
        return f"{family} {'x'.join(map(str, tile.kernel))}"
    if family in ("other", "matmul", "pool", "elementwise"):
        return f"{family} {tile.kind}"
    return family


def intensities(tiles: Sequence[TileWork]) -> np.ndarray:
    """Operations per byte of each tile."""
    flops = np.array([tile.flops for tile in tiles], dtype=float)
    return clipped_intensities(flops, np.array([tile.bytes_moved for tile in tiles], dtype=float))


def clipped_intensities(flops: np.ndarray, nbytes: np.ndarray) -> np.ndarray:
    """Operations per byte, within `INTENSITIES`."""
    return np.clip(flops / np.maximum(nbytes, 1), *INTENSITIES)


def fit_corrections(
    sorts: Sequence[str],
    predicted: np.ndarray,
    measured: np.ndarray,
    intensity: np.ndarray,
    draw: float = 1.0,
) -> dict[str, Correction]:
    """Corrections of the sorts that were measured, of their families, and of all others.

    Parameters
    ----------
    sorts : sequence of str
        Of each measurement, as `sort_of` tells.
    predicted, measured : numpy.ndarray
        Milliseconds, above 0; the same length.
    intensity : numpy.ndarray
        Operations per byte; ones where that is not known.
    draw : float
        By how much more the parts are drawn to zero.

    Returns
    -------
    by_sort : dict
        For `Corrections`.
    """
    names = list(dict.fromkeys(part for sort in sorts for part in _parts(sort)))
    dense = np.log(intensity)
    middle = float(dense.mean())
    columns = np.array([[name in _parts(sort) for name in names] for sort in sorts], dtype=float)
    design = np.hstack([columns, columns * (dense - middle)[:, None]])
    draws = np.array([_draw(name) for name in names])
    steep = np.array([PART_POWER_DRAW if name else POWER_DRAW for name in names]) + draws
    strength = draw * np.hstack([draws, steep])
    solved = _ridge(design, np.log(measured / predicted), strength)
    levels, powers = np.split(solved, 2)
    found: dict[str, Correction] = {}
    for sort in names:
        own = np.isin(names, _parts(sort))
        power = float(np.clip(powers[own].sum(), *POWERS))
        # at the middle it is corrected by the levels alone, whatever the power
        found[sort] = Correction(float(np.exp(levels[own].sum() - power * middle)), power)
    return found


def _parts(sort: str) -> tuple[str, ...]:
    """What a sort is told by: everything, its family, itself."""
    return tuple(dict.fromkeys(("", sort.partition(" ")[0], sort)))


def _draw(name: str) -> float:
    if not name:
        return 1e-6
    return SORT_DRAW if " " in name else FAMILY_DRAW


def _ridge(design: np.ndarray, wanted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Least squares with each coefficient drawn to zero, and less weight for what lies far off."""
    weights = np.ones(len(wanted))
    solved = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        weighed = design * weights[:, None]
        solved = np.linalg.solve(weighed.T @ design + np.diag(draws), weighed.T @ wanted)
        off = np.abs(wanted - design @ solved)
        weights = np.minimum(1.0, _FAR / np.maximum(off, 1e-12))
    return solved
