# SPDX-License-Identifier: Apache-2.0
"""Images whose pixels become blocks of pixels, in vectors of whole rows.

TVM's x86 schedule takes a row in vectors of 16, so rows of 18 columns take as many steps as rows
of 32, and rows of 4 a step each. Here as many rows are one vector as leave the fewest steps: rows
lie beside each other, in the result and in what is read. Longer vectors are taken apart again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tvm import te

from ..machine import VectorUnit
from .stages import inlined

#: Steps that are computed together, at most, in a row of no more.
MOST_STEPS = 4


def blocks_of_pixels(
    out: te.Tensor, mover: te.ComputeOp, unit: VectorUnit
) -> te.Schedule | None:
    """A schedule of an image that is read from one with fewer rows and columns.

    Parameters
    ----------
    out : te.Tensor
        The kernel's one result; ``(N, C, H, W)`` is known here.
    mover : te.ComputeOp
        What moves pixels, of an image ``(N, C', H', W')`` with H' and W' dividing H and W.
    unit : VectorUnit
        Of the target.

    Returns
    -------
    schedule : te.Schedule or None
        None for all else.
    """
    source = mover.input_tensors[0]
    if len(out.shape) != 4 or len(source.shape) != 4:
        return None
    (_, channels, rows, columns), (_, _, from_rows, from_columns) = (
        [int(n) for n in t.shape] for t in (out, source)
    )
    if rows % from_rows or columns % from_columns:
        return None
    schedule = inlined(out)
    stage = schedule[out]
    *outer, channel, row, column = out.op.axis
    if columns > MOST_STEPS * unit.step:
        # whole vectors are read
        _, vector = stage.split(column, factor=unit.step * (columns // from_columns))
        outer += [channel, row]
    else:
        together = rows_together((channels, rows, columns), rows // from_rows, unit.step)
        if together > rows:
            some, channel = stage.split(channel, factor=together // rows)
            vector = stage.fuse(channel, row, column)
            outer.append(some)
        else:
            some, row = stage.split(row, factor=together)
            vector = stage.fuse(row, column)
            outer += [channel, some]
    stage.vectorize(vector)
    # One loop, so that LLVM does not unroll all rows of an image: loops of 42 writes and more were
    # slower than of 28 where the result is not in the caches, maybe as it is not fetched ahead.
    stage.parallel(stage.fuse(*outer))
    return schedule


def rows_together(image: tuple[int, int, int], block: int, step: int) -> int:
    """How many rows of an image of channels, rows and columns are computed together.

    A single one, or whole blocks: of one channel, or of several whole ones.
    """
    channels, rows, columns = image
    most = MOST_STEPS * step // columns
    choices = [n for n in _groups(channels, rows) if n <= most and n % block == 0]
    return min([1, *choices], key=lambda n: (_steps(n * columns, step) / n, n))


def _groups(channels: int, rows: int) -> Iterator[int]:
    yield from _divisors(rows)
    yield from (rows * n for n in _divisors(channels)[1:])


def _divisors(number: int) -> Sequence[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def _steps(elements: int, step: int) -> int:
    """Writes of so many elements: whole vectors, and the rest in powers of two."""
    return elements // step + (elements % step).bit_count()
