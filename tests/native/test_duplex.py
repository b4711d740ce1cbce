# SPDX-License-Identifier: Apache-2.0
"""Nobody waits for a peer to read before reading oneself."""

import time

import numpy as np
import pytest

from .boards import Cluster, TensorExchange, raise_any, slices

MEBIBYTE = 2**20


@pytest.mark.parametrize("axis", [0, 1], ids=["straight", "packed"])
def test_32_mebibytes_both_ways_at_once(transport, axis):
    """Each board sends its 32 MiB half and receives the other: far more than any socket buffers."""
    shape = [64 * 1024, 256]  # float32: 64 MiB
    halves = [[[0, n] for n in shape] for _ in range(2)]
    halves[0][axis][1] = halves[1][axis][0] = shape[axis] // 2
    others = [halves[1], halves[0]]
    whole = np.random.default_rng(3).integers(0, 2**31, size=shape, dtype="int32")
    with Cluster(transport, [TensorExchange(halves, others, "int32")], 2) as cluster:
        ys = raise_any(
            cluster.on_boards(lambda r: cluster.exchange(r, 0, whole[slices(halves[r])]))
        )
        for y, box in zip(ys, others, strict=True):
            np.testing.assert_array_equal(y, whole[slices(box)])
        assert cluster.stats(0)["exchanges"][0]["bytes_sent"] == 32 * MEBIBYTE


def test_everybody_sends_to_everybody(transport):
    """4 boards, 4 MiB each, all 12 messages under way together."""
    shape = [4, 1024, 1024]
    ins = [[[rank, rank + 1], [0, 1024], [0, 1024]] for rank in range(4)]
    full = [[0, n] for n in shape]
    whole = np.random.default_rng(4).standard_normal(shape).astype("float32")
    with Cluster(transport, [TensorExchange(ins, [full] * 4)], 4) as cluster:
        for y in raise_any(cluster.on_boards(lambda r: cluster.exchange(r, 0, whole[r : r + 1]))):
            np.testing.assert_array_equal(y, whole)


def test_a_board_that_runs_ahead_is_read_in_order(transport):
    """Board 0 only sends: it is through with all exchanges before board 3 begins with the first."""
    count, width = 60, 40
    ins = [[[rank, rank + 1], [0, width]] for rank in range(4)]
    outs = [None] + [[[0, 4], [0, width]]] * 3
    rng = np.random.default_rng(5)
    wholes = [rng.standard_normal((4, width)).astype("float32") for _ in range(count)]
    with Cluster(transport, [TensorExchange(ins, outs) for _ in range(count)], 4) as cluster:

        def all_exchanges(rank):
            if rank == 3:
                time.sleep(0.2)
            got = [cluster.exchange(rank, i, w[rank : rank + 1]) for i, w in enumerate(wholes)]
            return got, time.monotonic()

        results = raise_any(cluster.on_boards(all_exchanges))
        for got, _ in results[1:]:
            for y, whole in zip(got, wholes, strict=True):
                np.testing.assert_array_equal(y, whole)
        assert results[0][1] < results[3][1]
