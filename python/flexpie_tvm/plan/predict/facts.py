# SPDX-License-Identifier: Apache-2.0
"""What `tile_work` is told of a board, and what it remembers of operators between its calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict


class BoardFigures(NamedTuple):
    """A board as a tile's record names it.

    ``boards`` is how many the cluster has, ``speed`` this one's relative speed, and ``kind`` its
    kind; empty where all are the same.
    """

    boards: int
    speed: float = 1.0
    kind: str = ""


class Traffic(NamedTuple):
    """What an operator reads from outside its layer, and what it gives to others.

    ``reads`` and ``weights`` hold (place among the inputs, tensor, bytes per element);
    ``given`` is the bytes per element of all results together.
    """

    reads: tuple[tuple[int, int, int], ...]
    weights: tuple[tuple[int, int, int], ...]
    given: int


class Window(TypedDict):
    """Fields of `TileWork` that an anchor has on every board."""

    conv_type: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    blocks: tuple[int, int]
    variant: str


@dataclass(frozen=True)
class Facts:
    """What is known of the operators of one graph.

    Parameters
    ----------
    flops : dict
        Operator id and shape of what is computed -> operations.
    traffic : dict
        Operator id -> what goes in and out.
    windows : dict
        Operator id of an anchor -> fields of its records.
    """

    flops: dict[tuple[int, tuple[int, ...]], int] = field(default_factory=dict)
    traffic: dict[int, Traffic] = field(default_factory=dict)
    windows: dict[int, Window] = field(default_factory=dict)
