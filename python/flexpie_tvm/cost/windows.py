# SPDX-License-Identifier: Apache-2.0
"""What many tiles have in common, so that it is looked at once: operator, window and layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

_Sizes = tuple[int, ...]


class Window(NamedTuple):
    """Fields of `TileWork` that do not tell how much there is to do; see there."""

    kind: str
    conv_type: str
    kernel: _Sizes
    strides: _Sizes
    padding: _Sizes
    dilation: _Sizes
    dtype: str
    blocks: tuple[int, int]
    variant: str

    @property
    def sort(self) -> str:
        """Tiles are of one sort if operator, stride and variant are the same."""
        blocked = "blocked" if max(self.blocks) > 1 else ""
        return f"{self.kind} /{max(self.strides, default=1)} {blocked} {self.variant}"


@dataclass(frozen=True)
class Windows:
    """Of many tiles.

    Parameters
    ----------
    different : tuple of Window
        Each once.
    own : numpy.ndarray
        The number among them of each tile's.
    """

    different: tuple[Window, ...]
    own: np.ndarray

    def families(self) -> dict[str, np.ndarray]:
        """Family of tiles (``conv_type``) -> places of its tiles."""
        named = [window.conv_type for window in self.different]
        number = {name: k for k, name in enumerate(dict.fromkeys(named))}
        of_tile = np.array([number[name] for name in named])[self.own]
        return {name: np.flatnonzero(of_tile == k) for name, k in number.items()}


def windows_of(fields: Sequence[Sequence[Any]]) -> Windows:
    """The windows of tiles.

    Parameters
    ----------
    fields : sequence of sequence
        As `Window` names them -> that of each tile.
    """
    number: dict[tuple[Any, ...], int] = {}
    own = np.array([number.setdefault(window, len(number)) for window in zip(*fields, strict=True)])
    return Windows(tuple(Window(*window) for window in number), own)


WINDOW_FACTS = (
    "padding", "kernel_h", "kernel_w", "stride_h", "stride_w", "dilation", "itemsize", "integer",
    "block_in", "block_out",
)  # fmt: skip


@lru_cache(1 << 14)
def window_facts(window: Window) -> tuple[float, ...]:
    """The values of `WINDOW_FACTS`."""
    first = [tuple(v) + (1,) * (2 - len(v)) for v in (window.kernel, window.strides)]
    sides = [(v[0], math.prod(v[1:])) for v in first]
    spread = max(window.dilation, default=1)
    number = _number_facts(window.dtype)
    return (sum(window.padding), *sides[0], *sides[1], spread, *number, *window.blocks)


@cache
def _number_facts(dtype: str) -> tuple[int, bool]:
    """Bytes of a number, and whether it is an integer."""
    number = np.dtype("bool" if dtype == "uint1" else dtype)
    return number.itemsize, number.kind not in "fV"
