# SPDX-License-Identifier: Apache-2.0
"""Counters are what the boxes say, times are in order."""

import json

import numpy as np

from .boards import Cluster, TensorExchange, create_board, raise_any, table
from .graphs import exchange_graph

ROWS = [[[0, 3], [0, 8]], [[3, 6], [0, 8]]]
HALO = [[[0, 4], [0, 8]], [[2, 6], [0, 8]]]


def test_counters_are_the_bytes_of_the_boxes(transport):
    exchanges = [
        TensorExchange(ROWS, HALO, "float32", name="a", layer="conv"),
        TensorExchange(ROWS, [[[0, 6], [0, 8]], None], "int8", name="b", layer="pool"),
    ]
    xs = [np.zeros((3, 8), e.dtype) for e in exchanges]
    with Cluster(transport, exchanges, 2) as cluster:

        def three_times(rank):
            for _ in range(3):
                for number, x in enumerate(xs):
                    cluster.exchange(rank, number, x)

        raise_any(cluster.on_boards(three_times))
        first, second = cluster.stats(0)["exchanges"], cluster.stats(1)["exchanges"]
        keys = ["id", "name", "layer", "count", "bytes_sent", "bytes_received", "local_bytes"]
        assert [first[0][k] for k in keys] == [0, "a", "conv", 3, 3 * 32, 3 * 32, 3 * 96]
        assert [first[1][k] for k in keys] == [1, "b", "pool", 3, 0, 3 * 24, 3 * 24]
        assert [second[1][k] for k in keys] == [1, "b", "pool", 3, 3 * 24, 0, 0]
        for exchange in first + second:
            assert 0 <= exchange["wait_ns"] <= exchange["total_ns"]
            assert 0 <= exchange["pack_ns"] <= exchange["total_ns"]
            parts = [exchange[f"{part}_ns"] for part in ("pack", "wait", "wire")]
            assert min(parts) >= 0
            assert sum(parts) == exchange["total_ns"]
            assert exchange["bytes_forwarded"] == 0
            assert exchange["last_start_ns"] <= exchange["last_end_ns"]
        assert first[0]["last_end_ns"] <= first[1]["last_start_ns"]

        cluster.boards[0]["reset_stats"]()
        after = cluster.stats(0)
        assert after["rank"] == 0
        assert after["frames"] == 0
        assert all(e[k] == 0 for e in after["exchanges"] for k in keys[3:])


def test_frames_and_times_of_runs():
    box = [[0, 4]]
    board = create_board(0, 1, table(0, 1, [TensorExchange([box], [box])]))
    graph = exchange_graph(0, (4,), (4,))
    graph.set_input("x", np.ones(4, "float32"))
    previous_end = run_sum = 0
    for frame in range(3):
        before = board["now"]()
        board["run"](graph.module, frame)
        after = board["now"]()
        stats = json.loads(board["stats"]())
        assert stats["frames"] == frame + 1
        assert previous_end <= before <= stats["run_start_ns"] <= stats["run_end_ns"] <= after
        run_sum += stats["run_end_ns"] - stats["run_start_ns"]
        assert stats["run_ns"] == run_sum
        (exchange,) = stats["exchanges"]
        run_ns = stats["run_end_ns"] - stats["run_start_ns"]
        assert 0 <= exchange["last_start_ns"] <= exchange["last_end_ns"] <= run_ns
        previous_end = stats["run_end_ns"]
    board["close"]()
