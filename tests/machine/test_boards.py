# SPDX-License-Identifier: Apache-2.0
"""Boards that are sold: what is known of them, and how they are named."""

from __future__ import annotations

import pytest

from flexpie_tvm.errors import InputError
from flexpie_tvm.machine import caches_of, known_board, known_boards, parse_boards, vector_unit
from flexpie_tvm.machine.boards import TRIPLE

WANTED = {"pi3b+", "pi4", "pi5", "orangepi5plus", "rk3399", "jetson-nano", "orin-nano"}


def test_boards_say_what_they_are_and_where_that_is_from():
    assert set(known_boards()) == WANTED
    for board in known_boards().values():
        assert board.sources
        for cluster in board.clusters:
            assert cluster.cores % cluster.sharing == 0
            assert 0.5 < cluster.ghz < 4
            assert cluster.l1 < cluster.l2
            assert vector_unit(TRIPLE, cluster.mcpu) is not None
            assert f"-mcpu={cluster.mcpu} " in cluster.target
        assert 1 < board.memory_bandwidth < 200
        assert board.threads == board.clusters[0].cores


def test_caches_of_boards_are_those_that_schedules_are_made_for():
    for key in ("pi3b+", "pi4", "pi5", "jetson-nano", "orin-nano"):
        big = known_board(key).big
        assert big.caches == caches_of(TRIPLE, big.mcpu)


@pytest.mark.parametrize(
    ("texts", "number", "keys"),
    [
        (["pi4"], 3, ["pi4"] * 3),
        (["pi4"], None, ["pi4"]),
        (["pi4:2"], 4, ["pi4"] * 2),
        (["pi4", "pi5"], 4, ["pi4", "pi5"]),
        (["pi4:3,pi5:1"], None, ["pi4"] * 3 + ["pi5"]),
        (["pi5", "pi4:2"], None, ["pi5", "pi4", "pi4"]),
    ],
)
def test_boards_are_named_one_by_one_or_with_their_number(texts, number, keys):
    assert [board.key for board in parse_boards(texts, number)] == keys


@pytest.mark.parametrize("text", ["pi9", "pi4:0", "pi4:", "pi4:x", "pi4:-1", "", "pi4:1000000"])
def test_other_names_are_refused(text):
    with pytest.raises(InputError, match="board"):
        parse_boards([text])
