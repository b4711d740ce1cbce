# SPDX-License-Identifier: Apache-2.0
"""Costs of boards that are sold: packaged ones of their cores, and who gets which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flexpie_tvm.cost import NOT_MEASURED, Learned, Modelled, PerKind, cost_of_boards, shipped_core
from flexpie_tvm.cost.host_calls import with_calls
from flexpie_tvm.cost.records import MODELLED
from flexpie_tvm.cost.shipped import shipped_modelled
from flexpie_tvm.cost.sold import Rescaled
from flexpie_tvm.machine import known_board, known_boards, parse_boards
from tests.cost.test_modelled import TILE

REFERENCES = {"cortex-a53": "pi3b+", "cortex-a72": "pi4", "cortex-a76": "pi5"}
LINKED = "llvm -mtriple=aarch64-linux-gnu -mcpu={}"


def test_packaged_models_of_cores_are_marked_as_modelled():
    for core, key in REFERENCES.items():
        cost, board = shipped_core(core), known_board(key)
        assert cost is not None
        setting = cost.origin.setting
        assert (setting.board_kind, setting.threads) == (key, board.threads)
        assert setting.how == MODELLED
        assert len(setting.kernels) == 12
        assert cost.name == f"learned ({key}, {NOT_MEASURED})"
    assert shipped_core("cortex-x1") is None


def test_targets_are_known_by_their_core():
    for core, key in REFERENCES.items():
        found = shipped_modelled(LINKED.format(core))
        assert found is not None
        assert found.origin.setting.board_kind == key
    assert shipped_modelled("llvm -mtriple=x86_64-linux-gnu -mcpu=cortex-a72") is None
    assert shipped_modelled(LINKED.format("cortex-x1")) is None


def test_every_board_gets_what_was_modelled_for_its_cores():
    for board in known_boards().values():
        cost = cost_of_boards([board])
        assert NOT_MEASURED in cost.name
        own = board.key in REFERENCES.values()
        assert isinstance(cost, Learned if own else Rescaled)
        assert board.key in cost.name
        assert NOT_MEASURED in cost.name
        assert [setting.how for setting in cost.settings] == [MODELLED]


def test_costs_of_a_board_with_the_same_cores_are_rescaled_by_its_figures():
    rng = np.random.default_rng(3)
    rows = rng.integers(1, 57, 8)
    tiles = [replace(TILE, out_hwc=(int(n), 56, 64), flops=TILE.flops * int(n) // 56) for n in rows]
    pi4, rk3399 = (known_board(key) for key in ("pi4", "rk3399"))
    longer = Modelled(rk3399).compute(tiles) / Modelled(pi4).compute(tiles)
    found = cost_of_boards([rk3399]).compute(tiles)
    assert found == pytest.approx(cost_of_boards([pi4]).compute(tiles) * longer)
    assert cost_of_boards([rk3399]).floor(TILE, [1.0]) <= found.max()
    assert len(cost_of_boards([rk3399]).compute([])) == 0


def test_better_boards_are_faster():
    tile = replace(TILE, kind="nn.contrib_conv2d_NCHWc", blocks=(4, 4))
    pi4, rk3399, pi5 = (
        float(cost_of_boards([known_board(key)]).compute([tile])[0])
        for key in ("pi4", "rk3399", "pi5")
    )
    assert rk3399 > pi4 > 2 * pi5  # the same cores as of a pi4, half as many


def test_boards_of_several_kinds_have_their_own_costs():
    cost = cost_of_boards(parse_boards(["pi4,pi5"]))
    assert isinstance(cost, PerKind)
    tiles = [replace(TILE, board_kind=kind) for kind in ("pi4", "pi5")]
    alone = [cost_of_boards([known_board(kind)]).compute([TILE])[0] for kind in ("pi4", "pi5")]
    assert list(cost.compute(tiles)) == alone
    assert NOT_MEASURED in cost.name
    assert "pi4" in cost.name
    assert "pi5" in cost.name


def test_calls_of_boards_that_are_sold_are_priced():
    """The host's part is the same for all; a slower board's server takes longer."""
    for board in known_boards().values():
        cost = cost_of_boards([board])
        one, two, three = (cost.calls(boards) for boards in (1, 2, 3))
        assert 0.05 < one < two < 1
        assert three - two == pytest.approx(two - one)
    pi3, pi4, pi5 = (cost_of_boards([known_board(k)]) for k in ("pi3b+", "pi4", "pi5"))
    assert pi3.calls(2) > pi4.calls(2) > pi5.calls(2)
    mixed = cost_of_boards(parse_boards(["pi4,pi5"]))
    assert mixed.calls(2) == pi4.calls(2)


def test_what_was_measured_of_calls_is_kept():
    cost = shipped_core("cortex-a72")
    measured = replace(cost.figures, wake=1e-3, call=2e-3)
    known = Learned(cost.tiles, cost.transfers, measured, cost.origin, cost.unit)
    assert with_calls(known) is known
    assert known.calls(2) == pytest.approx(5)
    assert with_calls(cost).calls(2) == cost.calls(2) > 0
