# SPDX-License-Identifier: Apache-2.0
"""Padding: with a constant, with the edge, or mirrored at the edge."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Op, Region, whole
from .base import Rule, Tile


class Pad(Rule):
    """Every axis is cuttable; a tile keeps the padding that it meets.

    Mirrored padding reads the elements beside the edge, so a tile that has some of it holds
    as many elements of the image.
    """

    def tile(self, op: Op, region: Region) -> Tile:
        mode = op.attrs.get("pad_mode") or op.attrs["mode"]
        mirrored = {"reflect": 1, "REFLECT": 1, "SYMMETRIC": 0}.get(mode)
        inputs: list[tuple[int, int]] = []
        result: list[tuple[int, int]] = []
        pads: list[tuple[int, int]] = []
        widths: Sequence[tuple[int, int]] = op.attrs["pad_width"]
        for (a, b), (before, _), size in zip(region.bounds, widths, op.in_shapes[0], strict=True):
            # A tile inside the padding keeps one element of the image, so that it has an input.
            a, b = min(a, before + size - 1), max(b, before + 1)
            start, stop = max(0, a - before), min(size, b - before)
            front, back = start - (a - before), (b - before) - stop
            if mirrored is not None and front:
                stop = max(stop, front + mirrored)
            if mirrored is not None and back:
                start = min(start, size - back - mirrored)
            inputs.append((start, stop))
            result.append((before + start - front, before + stop + back))
            pads.append((front, back))
        tile_inputs = (Region(tuple(inputs)), *(whole(s) for s in op.in_shapes[1:]))
        return Tile(Region(tuple(result)), tile_inputs, {"pad_width": tuple(pads)})


RULES: dict[str, Rule] = {"nn.pad": Pad(), "nn.mirror_pad": Pad()}
