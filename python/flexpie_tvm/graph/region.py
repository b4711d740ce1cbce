# SPDX-License-Identifier: Apache-2.0
"""Regions: half-open boxes, one ``[start, stop)`` per axis.

A 1x64x56x56 tensor cut in two by rows is owned as ``[0:1, 0:64, 0:28, 0:56]`` and
``[0:1, 0:64, 28:56, 0:56]``; a 3x3 convolution on the first half needs rows 0 to 29.
A region without elements is legal and means "nothing"; all arithmetic is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box.

    Parameters
    ----------
    bounds : tuple of (int, int)
        ``(start, stop)`` per axis, in elements of the whole tensor.
    nothing : bool
        True for the region without elements of a scalar, which has no axis to show it.

    Raises
    ------
    ValueError
        If an axis stops before it starts.
    """

    bounds: tuple[tuple[int, int], ...]
    nothing: bool = False

    def __post_init__(self) -> None:
        for start, stop in self.bounds:
            if start > stop:
                raise ValueError(f"region axis [{start}:{stop}] stops before it starts")

    def __str__(self) -> str:
        if self.nothing:
            return "nothing"
        return "[" + ", ".join(f"{a}:{b}" for a, b in self.bounds) + "]"

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.bounds)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent per axis."""
        return tuple([b - a for a, b in self.bounds])  # a list: searches ask millions of times

    @property
    def starts(self) -> tuple[int, ...]:
        """First index per axis."""
        return tuple(a for a, _ in self.bounds)

    @property
    def stops(self) -> tuple[int, ...]:
        """One past the last index per axis."""
        return tuple(b for _, b in self.bounds)

    @property
    def volume(self) -> int:
        """Number of elements."""
        if self.nothing:
            return 0
        count = 1
        for start, stop in self.bounds:
            count *= stop - start
        return count

    @property
    def is_empty(self) -> bool:
        """True if the region holds no element."""
        for a, b in self.bounds:
            if a == b:
                return True
        return self.nothing

    def intersect(self, other: Region) -> Region:
        """The elements in both regions (a canonical empty region if there are none).

        Parameters
        ----------
        other : Region
            Of the same rank.
        """
        if self.nothing or other.nothing:
            return empty(self.rank)
        bounds: list[tuple[int, int]] = []
        for (a, b), (c, d) in zip(self.bounds, other.bounds, strict=True):
            start, stop = max(a, c), min(b, d)
            if start >= stop:
                return empty(self.rank)
            bounds.append((start, stop))
        return Region(tuple(bounds))

    def contains(self, other: Region) -> bool:
        """True if every element of ``other`` is in this region.

        Parameters
        ----------
        other : Region
            Of the same rank; an empty one is in every region.
        """
        return other.is_empty or (
            not self.nothing
            and all(
                a <= c and d <= b for (a, b), (c, d) in zip(self.bounds, other.bounds, strict=True)
            )
        )

    def relative_to(self, origin: Region) -> Region:
        """The same box in the coordinates of a buffer that holds ``origin``.

        Parameters
        ----------
        origin : Region
            What the buffer holds; its starts become 0.
        """
        return Region(
            tuple((a - o, b - o) for (a, b), o in zip(self.bounds, origin.starts, strict=True))
        )

    def replace(self, axis: int, start: int, stop: int) -> Region:
        """A copy with one axis set to ``[start, stop)``.

        Parameters
        ----------
        axis : int
            The axis.
        start, stop : int
            In elements of the whole tensor.
        """
        bounds = list(self.bounds)
        bounds[axis] = (start, stop)
        return Region(tuple(bounds))

    def slices(self) -> tuple[slice, ...]:
        """The index of this region into a numpy array of the whole tensor."""
        return tuple(slice(a, b) for a, b in self.bounds)

    def to_json(self) -> list[list[int]]:
        """The bounds as ``[[start, stop], ...]``."""
        return [[a, b] for a, b in self.bounds]


def whole(shape: Sequence[int]) -> Region:
    """The region that covers a tensor of the given shape.

    Parameters
    ----------
    shape : sequence of int
        Its sizes.
    """
    return Region(tuple((0, int(size)) for size in shape))


def empty(rank: int) -> Region:
    """The canonical region without elements.

    Parameters
    ----------
    rank : int
        Number of axes.
    """
    return Region(((0, 0),) * rank, nothing=rank == 0)


def hull(regions: Iterable[Region], rank: int) -> Region:
    """The smallest box around all regions; empty ones do not count.

    Parameters
    ----------
    regions : iterable of Region
        All of one rank.
    rank : int
        That rank, for when there are none.
    """
    parts = [r for r in regions if not r.is_empty]
    if not parts:
        return empty(rank)
    if len(parts) == 1:
        return parts[0]
    bounds = list(parts[0].bounds)
    for part in parts[1:]:
        for axis, (start, stop) in enumerate(part.bounds):
            low, high = bounds[axis]
            if start < low or stop > high:
                bounds[axis] = (min(start, low), max(stop, high))
    return Region(tuple(bounds))
