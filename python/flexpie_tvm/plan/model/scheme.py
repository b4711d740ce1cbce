# SPDX-License-Identifier: Apache-2.0
"""Schemes and splits: how a tensor is owned by the boards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from ...errors import PlanError
from ...graph import Axes, Region, Tensor, empty, hull, whole

KINDS = ("InH", "InW", "OutC", "2D-grid", "Single")


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to own a tensor; ``grid`` is rows x columns for ``2D-grid``.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    grid : (int, int) or None
        Rows and columns of boards.
    """

    kind: str
    grid: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"2D-grid:{self.grid[0]}x{self.grid[1]}" if self.grid else self.kind


@dataclass(frozen=True, slots=True)
class Split:
    """Cut points of a scheme on its axes.

    Boards own the cells of the cuts in row-major order: axis 2 cut at ``(0, 28, 56)`` and
    axis 3 at ``(0, 28, 56)`` give board 1 rows 0 to 27 of columns 28 to 55. Equal
    neighbouring cut points leave a board with nothing.

    ``ranks`` names the board of each cell where that is not the cell's own number: fewer
    boards than there are, or two neighbouring cells on one board (2x2 cells on 3 boards:
    ``(0, 0, 1, 2)``). The cells of one board must form a box.

    Parameters
    ----------
    axes : tuple of int
        The axes that are cut.
    cuts : tuple of tuple of int
        Of each of these axes its cut points, from 0 to its size.
    ranks : tuple of int
        By cell; empty where cells are boards.
    """

    axes: tuple[int, ...]
    cuts: tuple[tuple[int, ...], ...]
    ranks: tuple[int, ...] = ()

    def owned(self, shape: Sequence[int], boards: int) -> tuple[Region, ...]:
        """The region that each board owns; together they cover the tensor exactly once.

        Parameters
        ----------
        shape : sequence of int
            Of the tensor.
        boards : int
            How many there are; those without a cell own nothing.

        Raises
        ------
        PlanError
            If the cells are not one per board or do not cover the shape.
        """
        full = whole(shape)
        spans: list[list[tuple[int, int]]] = []
        for axis, cut in zip(self.axes, self.cuts, strict=True):
            if not 0 <= axis < full.rank:
                raise PlanError(f"split {self} names axis {axis} of a tensor of rank {full.rank}")
            if cut[0] != 0 or cut[-1] != shape[axis] or list(cut) != sorted(cut):
                raise PlanError(f"cut points {cut} do not cover an axis of {shape[axis]}")
            spans.append(list(pairwise(cut)))
        cells: list[Region] = []
        for cell in product(*spans):
            region = full
            for axis, (start, stop) in zip(self.axes, cell, strict=True):
                region = region.replace(axis, start, stop)
            cells.append(empty(full.rank) if region.is_empty else region)
        return self._deal(cells, full.rank, boards)

    def _deal(self, cells: list[Region], rank: int, boards: int) -> tuple[Region, ...]:
        """Cells -> one box per board."""
        ranks = self.ranks or (tuple(range(boards)) if self.axes else (0,))
        if len(cells) != len(ranks):
            raise PlanError(f"split {self} has {len(cells)} cells for {len(ranks)} boards")
        if not all(0 <= r < boards for r in ranks):
            raise PlanError(f"split {self} names a board that {boards} boards do not have")
        regions: list[Region] = []
        for board in range(boards):
            mine = [cell for cell, r in zip(cells, ranks, strict=True) if r == board]
            box = hull(mine, rank)
            if box.volume != sum(cell.volume for cell in mine):
                raise PlanError(f"split {self}: the cells of board {board} do not form a box")
            regions.append(box)
        return tuple(regions)


def parse_scheme(text: str, boards: int) -> Scheme:
    """A scheme from its name; ``2D-grid`` alone takes the squarest grid of the boards.

    Parameters
    ----------
    text : str
        One of `KINDS`, or ``2D-grid:RxC``.
    boards : int
        How many there are.

    Raises
    ------
    PlanError
        If the name is unknown or the grid does not have one cell per board.
    """
    match = re.fullmatch(r"2D-grid(?::(\d+)x(\d+))?", text)
    if match:
        rows, cols = (int(match[1]), int(match[2])) if match[1] else squarest_grid(boards)
        if rows * cols != boards:
            raise PlanError(f"2D-grid {rows}x{cols} has {rows * cols} cells for {boards} boards")
        return Scheme("2D-grid", (rows, cols))
    if text not in KINDS:
        raise PlanError(f"unknown scheme '{text}': choose one of {', '.join(KINDS)}")
    return Scheme(text)


def squarest_grid(boards: int) -> tuple[int, int]:
    """The rows and columns with the shortest inner boundary; rows >= columns.

    Parameters
    ----------
    boards : int
        Their product; a prime number has one column.
    """
    cols = max(d for d in range(1, int(boards**0.5) + 1) if boards % d == 0)
    return boards // cols, cols


def split_for(
    scheme: Scheme, tensor: Tensor, cuttable: frozenset[int], shares: Sequence[float]
) -> Split:
    """Cut points for a tensor, in proportion to the boards' shares.

    An axis that the tensor does not have or that its layer cannot cut is not cut: what
    remains of the scheme decides, and with nothing left board 0 owns the tensor.

    Parameters
    ----------
    scheme : Scheme
        What the user or the planner chose.
    tensor : Tensor
        The tensor to own.
    cuttable : frozenset of int
        Axes along which its layer gets cheaper when cut.
    shares : sequence of float
        Share of each board; sums to 1.

    Returns
    -------
    split : Split
        Its axes are a subset of the scheme's.
    """
    wanted = _axes_of(scheme, tensor.axes)
    usable = tuple(axis for axis in wanted if axis is not None and axis in cuttable)
    if not usable:
        return Split((), ())
    if scheme.grid is None or len(usable) == 1:  # of a grid one axis is left: all boards share it
        return Split(usable[:1], (cut_points(tensor.shape[usable[0]], shares),))
    rows, cols = scheme.grid
    by_row = [sum(shares[r * cols : (r + 1) * cols]) for r in range(rows)]
    by_col = [sum(shares[c::cols]) for c in range(cols)]
    cuts = tuple(
        cut_points(tensor.shape[axis], part)
        for axis, part in zip(usable, (by_row, by_col), strict=True)
    )
    return Split(usable, cuts)


def cut_points(size: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Cut ``size`` elements in proportion to shares, to the nearest element.

    Parameters
    ----------
    size : int
        Elements of the axis.
    shares : sequence of float
        Of each cell, of any sum above 0.

    Returns
    -------
    points : tuple of int
        One more than shares, from 0 to ``size``, never falling.
    """
    points, total = [0], 0.0
    for share in shares:
        total += share
        points.append(min(size, max(points[-1], int(size * total / sum(shares) + 0.5))))
    points[-1] = size
    return tuple(points)


def _axes_of(scheme: Scheme, axes: Axes) -> tuple[int | None, ...]:
    return {
        "InH": (axes.h,),
        "InW": (axes.w,),
        "OutC": (axes.c,),
        "2D-grid": (axes.h, axes.w),
        "Single": (),
    }[scheme.kind]
