# SPDX-License-Identifier: Apache-2.0
"""Analytic costs: known figures, and never less for more work."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.cost import Analytic, Cost, Links, PerKind, Table, TileWork, Transfer
from flexpie_tvm.cost.network import transfer_seconds

TOPOLOGIES = ("mesh", "ring", "ps", "shared")
TILE = TileWork(
    "nn.conv2d", "conv", (28, 28, 64), (28, 28, 64), (3, 3), (1, 1), (1,) * 4, (1, 1), 1,
    "float32", 10**8, 10**6, 10**5, 10**6, 2, 4,
)
COUNTS = st.integers(0, 10**10)


def links(boards, topology="mesh", rate=8e6, latency=0.0):
    """8 Mb/s: a megabyte takes a second."""
    return Links(topology, (rate,) * boards, (latency,) * boards, 0, rate, latency)


def seconds(matrix, topology="mesh", latency=0.0, kind="exchange"):
    nbytes = np.array(matrix) * 1_000_000
    net = links(max(nbytes.shape), topology, latency=latency)
    return transfer_seconds([Transfer(kind, nbytes, nbytes, net)], 0.0, float("inf"))[0]


@given(flops=COUNTS, read=COUNTS, weights=COUNTS, more=st.tuples(*[COUNTS] * 3))
def test_more_work_never_costs_less(flops, read, weights, more):
    small = replace(TILE, flops=flops, bytes_read=read, bytes_weights=weights)
    large = replace(
        TILE, flops=flops + more[0], bytes_read=read + more[1], bytes_weights=weights + more[2]
    )
    a, b = Analytic().compute([small, large])
    assert 0 < a <= b * (1 + 1e-12)


def test_arithmetic_of_float16_takes_half_as_long():
    """And so does what it moves, of which there are half the bytes."""
    narrow = replace(TILE, dtype="float16", bytes_read=0, bytes_weights=0, bytes_written=0)
    model = Analytic(overhead=0.0)
    a, b = model.compute([narrow, replace(narrow, dtype="float32")])
    assert a == pytest.approx(b / 2)
    assert model.floor(narrow, [1.0]) == pytest.approx(a)


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=n * n, max_size=n * n
        )
    ),
    st.sampled_from(TOPOLOGIES),
)
def test_a_transfer_that_contains_another_never_costs_less(pairs, topology):
    boards = round(len(pairs) ** 0.5)
    small = np.array([a for a, _ in pairs]).reshape(boards, boards)
    large = small + np.array([b for _, b in pairs]).reshape(boards, boards)
    for matrix in (small, large):
        np.fill_diagonal(matrix, 0)
    net = links(boards, topology, latency=1e-3)
    a, b = Analytic().exchange([Transfer("exchange", m, m, net) for m in (small, large)])
    assert a <= b * (1 + 1e-12)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_one_megabyte_from_the_server_to_its_neighbour(topology):
    assert seconds([[0, 1, 0], [0, 0, 0], [0, 0, 0]], topology) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("topology", "expected"), [("mesh", 1.0), ("ring", 1.0), ("ps", 6.0), ("shared", 4.0)]
)
def test_everybody_sends_a_megabyte_to_the_next(topology, expected):
    """Server 0 takes in 3 MB, then gives out 3 MB (of which one is its own)."""
    matrix = np.roll(np.eye(4, dtype=int), 1, axis=1)
    assert seconds(matrix, topology) == pytest.approx(expected)


def test_ring_forwards_hop_by_hop():
    matrix = np.zeros((4, 4), dtype=int)
    matrix[0, 2] = 1
    assert seconds(matrix, "ring") == pytest.approx(2.0)
    assert seconds(matrix, "mesh") == pytest.approx(1.0)
    assert seconds(matrix, "ring", latency=0.5) == pytest.approx(3.0)


def test_ring_of_two_boards_sends_both_ways_at_once():
    assert seconds([[0, 1], [1, 0]], "ring") == pytest.approx(1.0)


def test_full_duplex_and_the_busiest_link():
    assert seconds([[0, 1], [1, 0]]) == pytest.approx(1.0)
    assert seconds([[0, 0, 1], [0, 0, 1], [0, 0, 0]]) == pytest.approx(2.0)


def test_a_slow_link_counts_for_its_board_only():
    net = Links("mesh", (8e6, 8e6, 8e5), (0.0,) * 3)
    matrix = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 0]]) * 10**6
    slow = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0]]) * 10**6
    times = transfer_seconds([Transfer("exchange", m, m, net) for m in (matrix, slow)], 0, np.inf)
    assert times == pytest.approx([1.0, 10.0])


def test_the_hosts_link_carries_all_parts():
    assert seconds([[1, 2, 1]], kind="scatter") == pytest.approx(4.0)
    assert seconds([[1], [2]], kind="gather") == pytest.approx(3.0)


def test_many_at_once_equal_one_by_one():
    rng = np.random.default_rng(0)
    cost = Analytic()
    asked = []
    for topology in TOPOLOGIES:
        for _ in range(10):
            matrix = rng.integers(0, 10**6, (4, 4))
            np.fill_diagonal(matrix, 0)
            asked.append(Transfer("exchange", matrix, matrix, links(4, topology)))
    together = cost.exchange(asked)
    assert together == pytest.approx([cost.exchange([one])[0] for one in asked])


def test_floor_is_below_any_share_of_the_work():
    cost = Analytic()
    for share in (0.0, 0.25, 0.5, 0.9):
        parts = [
            replace(TILE, flops=int(TILE.flops * s), bytes_read=int(TILE.bytes_read * s),
                    bytes_written=int(TILE.bytes_written * s), speed=speed)
            for s, speed in ((share, 1.0), (1 - share, 2.0))
        ]
        assert cost.floor(TILE, (1.0, 2.0)) <= cost.compute(parts).max()


def test_each_kind_of_board_has_its_model():
    fast, slow = (Table(lambda t, f=f: f * t.flops, lambda t: 0.0) for f in (1.0, 3.0))
    cost = PerKind({"fast": fast}, slow)
    tiles = [replace(TILE, board_kind=k, flops=n) for k, n in (("fast", 5), ("", 5), ("fast", 7))]
    assert cost.compute(tiles).tolist() == [5.0, 15.0, 7.0]


def test_nothing_asked_nothing_answered():
    assert len(Analytic().compute([])) == len(Analytic().exchange([])) == 0
    with pytest.raises(NotImplementedError):
        Cost().compute([TILE])
