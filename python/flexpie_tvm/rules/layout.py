# SPDX-License-Identifier: Apache-2.0
"""Layout strings such as NCHW, NHWC and NCHW16c."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ..graph import Axes


@dataclass(frozen=True, slots=True)
class Layout:
    """A parsed layout: primal axes (upper case), blocks of axes (lower case) with factors.

    ``NCHW16c`` has axes ``N C H W c``; axis ``C`` counts blocks of 16 channels.

    Parameters
    ----------
    letters : tuple of str
        Of each axis.
    factors : tuple of int
        Of each axis its block size; 1 for primal ones.
    """

    letters: tuple[str, ...]
    factors: tuple[int, ...]

    def find(self, letter: str) -> int | None:
        """The position of an axis, or None.

        Parameters
        ----------
        letter : str
            Upper case for a primal axis, lower case for its block.
        """
        return self.letters.index(letter) if letter in self.letters else None

    def index(self, letter: str) -> int:
        """The position of an axis that is there; ``ValueError`` if it is not.

        Parameters
        ----------
        letter : str
            As of `find`.
        """
        return self.letters.index(letter)

    def block(self, letter: str) -> int:
        """The block size of a primal axis (1 if it is not blocked).

        Parameters
        ----------
        letter : str
            Upper case.
        """
        position = self.find(letter.lower())
        return 1 if position is None else self.factors[position]

    @property
    def spatial(self) -> tuple[str, ...]:
        """Depth, height and width, in the order of attributes such as strides and padding.

        That is the order D, H, W, also in a layout such as NWCH.
        """
        return tuple(letter for letter in "DHW" if letter in self.letters)

    @property
    def axes(self) -> Axes:
        """Where height, width and channels are."""
        return Axes(h=self.find("H"), w=self.find("W"), c=self.find("C"))


@cache
def parse_layout(text: str) -> Layout:
    """Parse a layout string.

    Parameters
    ----------
    text : str
        As TVM writes it, such as ``NCHW16c``.

    Returns
    -------
    layout : Layout
        Its axes in their order.

    Raises
    ------
    ValueError
        If the string is not a layout.
    """
    parts = re.findall(r"(\d*)([A-Za-z])", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        raise ValueError(f"'{text}' is not a layout such as NCHW or NCHW16c")
    return Layout(tuple(letter for _, letter in parts), tuple(int(n) if n else 1 for n, _ in parts))
