# SPDX-License-Identifier: Apache-2.0
"""Einstein sums: axes that stay are cuttable, axes that are summed are read whole."""

from __future__ import annotations

from collections import Counter
from math import prod

from ..graph import Op, Region
from .base import Rule, Tile


class Einsum(Rule):
    """Every output axis is cuttable; not with an ellipsis or broadcast axes."""

    def tile(self, op: Op, region: Region) -> Tile:
        terms = parse_equation(op.attrs["equation"])
        sizes = None if terms is None else _sizes(op, terms)
        if terms is None or sizes is None:
            return super().tile(op, region)
        inputs, output = terms
        bounds = {letter: (0, size) for letter, size in sizes.items()}
        bounds.update(zip(output, region.bounds, strict=True))
        return Tile(region, tuple(Region(tuple(bounds[x] for x in term)) for term in inputs))

    def flops(self, op: Op, region: Region) -> int:
        terms = parse_equation(op.attrs["equation"])
        sizes = None if terms is None else _sizes(op, terms)
        if terms is None or sizes is None:
            return super().flops(op, region)
        summed = prod(size for letter, size in sizes.items() if letter not in terms[1])
        return len(op.in_shapes) * region.volume * summed


def parse_equation(text: str) -> tuple[tuple[str, ...], str] | None:
    """Letters of each input and of the output: ``ij,jk->ik``; None with an ellipsis."""
    left, arrow, right = text.replace(" ", "").partition("->")
    if "." in text:
        return None
    if not arrow:  # the letters that appear once, in alphabetical order
        counts = Counter(left.replace(",", ""))
        right = "".join(sorted(letter for letter, n in counts.items() if n == 1))
    return tuple(left.split(",")), right


def _sizes(op: Op, terms: tuple[tuple[str, ...], str]) -> dict[str, int] | None:
    """Size of every letter; None if an axis of one is broadcast."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms[0], op.in_shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                return None
    return sizes


RULES: dict[str, Rule] = {"einsum": Einsum()}
