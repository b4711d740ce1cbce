# SPDX-License-Identifier: Apache-2.0
"""Streams that are delayed: how long, how often, and with every byte in its place."""

import time

import numpy as np
import pytest

from .boards import Cluster, TensorExchange, raise_any, slices

SECONDS = 0.2
WIDTH = 1 << 19  # int32: 2 MiB a board, more than a chunk and than socket buffers
HALVES = [[[0, WIDTH]], [[WIDTH, 2 * WIDTH]]]
SWAP = TensorExchange(HALVES, HALVES[::-1], "int32")


@pytest.fixture
def _far(monkeypatch):
    monkeypatch.setenv("FLEXPIE_LINK_LATENCY_US", str(round(SECONDS * 1e6)))


def swap(cluster):
    """Exchange halves: how long it took each board."""
    whole = np.random.default_rng(6).integers(0, 2**31, size=2 * WIDTH, dtype="int32")

    def exchange(rank):
        start = time.monotonic()
        got = cluster.exchange(rank, 0, whole[slices(HALVES[rank])])
        return got, time.monotonic() - start

    results = raise_any(cluster.on_boards(exchange))
    for (got, _), half in zip(results, HALVES[::-1], strict=True):
        np.testing.assert_array_equal(got, whole[slices(half)])
    return [seconds for _, seconds in results]


@pytest.mark.usefixtures("_far")
def test_an_exchange_takes_the_latency_once_and_all_bytes_arrive():
    with Cluster("tcp", [SWAP], 2) as cluster:
        for seconds in swap(cluster):
            assert SECONDS <= seconds < 2 * SECONDS


@pytest.mark.usefixtures("_far")
def test_what_arrived_while_a_board_was_busy_is_not_delayed_again():
    # A small message waits in the kernel while the board is busy. The first exchange is there
    # because the kernel begins to stamp packets a moment after it was asked to.
    small = [[[0, 8]], [[8, 16]]]
    one = TensorExchange(small, small[::-1], "int32")
    whole = np.arange(16, dtype="int32")

    def exchange(cluster, rank):
        cluster.exchange(rank, 0, whole[slices(small[rank])])
        time.sleep(2 * SECONDS * rank)
        start = time.monotonic()
        got = cluster.exchange(rank, 1, whole[slices(small[rank])])
        np.testing.assert_array_equal(got, whole[slices(small[1 - rank])])
        return time.monotonic() - start

    with Cluster("tcp", [one, one], 2) as cluster:
        early, late = raise_any(cluster.on_boards(lambda rank: exchange(cluster, rank)))
    assert late < SECONDS / 2
    assert early >= 3 * SECONDS - 0.05  # the late board's message is under way, too


def test_without_latency_nothing_waits():
    with Cluster("tcp", [SWAP], 2) as cluster:
        assert min(swap(cluster)) < SECONDS / 2
