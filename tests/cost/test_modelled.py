# SPDX-License-Identifier: Apache-2.0
"""Costs of boards that are sold, before anything was measured of them."""

from __future__ import annotations

from dataclasses import replace

from flexpie_tvm.cost import MODELLED, PerKind, TileWork, cost_of_boards
from flexpie_tvm.machine import parse_boards

TILE = TileWork(
    "nn.conv2d", "conv", (56, 56, 64), (56, 56, 64), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1,
    "float32", 2 * 9 * 64 * 64 * 56 * 56, 4 * 64 * 56 * 56, 4 * 9 * 64 * 64, 4 * 64 * 56 * 56, 2, 1,
)  # fmt: skip


def milliseconds(text: str) -> float:
    return float(cost_of_boards(parse_boards([text])).compute([TILE])[0])


def test_better_boards_are_faster():
    times = [milliseconds(key) for key in ("pi3b+", "rk3399", "pi4", "pi5")]
    assert times == sorted(times, reverse=True)
    assert times[0] > 2 * times[-1]


def test_boards_of_several_kinds_have_their_own_costs():
    cost = cost_of_boards(parse_boards(["pi4,pi5"]))
    assert isinstance(cost, PerKind)
    tiles = [replace(TILE, board_kind=kind) for kind in ("pi4", "pi5")]
    assert list(cost.compute(tiles)) == [milliseconds("pi4"), milliseconds("pi5")]
    assert MODELLED in cost.name
    assert "pi4" in cost.name
    assert "pi5" in cost.name
