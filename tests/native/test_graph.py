# SPDX-License-Identifier: Apache-2.0
"""Exchanges inside graph executors: as boards really run them, errors included."""

import numpy as np
import pytest
import tvm

from .boards import Cluster, TensorExchange, flexpie_error, raise_any, run_exchange
from .graphs import exchange_graph

FULL = [[0, 6], [0, 8]]
ROWS = [[[0, 3], [0, 8]], [[3, 6], [0, 8]]]


def graphs(packed_names=("flexpie.exchange", "flexpie.exchange")):
    return [exchange_graph(rank, (3, 8), (6, 8), name) for rank, name in enumerate(packed_names)]


def test_frames_of_two_boards(transport):
    with Cluster(transport, [TensorExchange(ROWS, [FULL, FULL])], 2) as cluster:
        executors = graphs()
        for frame in range(5):
            whole = np.random.default_rng(frame).standard_normal((6, 8)).astype("float32")
            for rank, executor in enumerate(executors):
                executor.set_input("x", whole[3 * rank : 3 * rank + 3])
            raise_any(
                cluster.on_boards(
                    lambda r, f=frame: cluster.boards[r]["run"](executors[r].module, f)
                )
            )
            for executor in executors:
                np.testing.assert_array_equal(executor.get_output(0).numpy(), whole)
        assert cluster.stats(1)["frames"] == 5


def test_two_deployments_of_the_same_ranks_keep_apart(transport):
    """Two models on the same boards: code belongs to the board that runs it."""
    halves = TensorExchange(ROWS, [FULL, FULL])
    swapped = TensorExchange(ROWS[::-1], [FULL, FULL])
    with Cluster(transport, [halves], 2) as one, Cluster(transport, [swapped], 2) as other:
        whole = np.random.default_rng(1).standard_normal((6, 8)).astype("float32")
        for frame in range(3):
            for cluster, first in ((one, 0), (other, 1)):
                executors = graphs()
                for rank, executor in enumerate(executors):
                    half = rank ^ first
                    executor.set_input("x", whole[3 * half : 3 * half + 3] + first + frame)

                def run(rank, boards=cluster.boards, executors=executors, frame=frame):
                    boards[rank]["run"](executors[rank].module, frame)

                raise_any(cluster.on_boards(run))
                for executor in executors:
                    np.testing.assert_array_equal(
                        executor.get_output(0).numpy(), whole + first + frame
                    )


def test_boards_at_different_frames_are_out_of_step(transport):
    with Cluster(transport, [TensorExchange(ROWS, [FULL, FULL])], 2) as cluster:
        executors = graphs()
        errors = cluster.on_boards(lambda r: cluster.boards[r]["run"](executors[r].module, 7 + r))
        contents = [flexpie_error(error) for error in errors]
        desync = [(c, text) for c, text in contents if c["kind"] == "desync"]
        assert desync
        assert {c["kind"] for c, _ in contents} <= {"desync", "lost_board"}
        assert "frame 7" in desync[0][1]
        assert "frame 8" in desync[0][1]


def test_an_error_of_an_exchange_survives_generated_code(transport):
    exchange = TensorExchange(ROWS, [FULL, FULL], name="relu:0", layer="relu")
    with Cluster(transport, [exchange], 2, deadline_ms=60000) as cluster:
        executor = graphs()[0]
        cluster.boards[1]["close"]()
        with pytest.raises(tvm.TVMError) as caught:
            cluster.boards[0]["run"](executor.module, 1)
        content, text = flexpie_error(caught.value)
        assert content == {
            "kind": "lost_board",
            "board": 0,
            "peer": 1,
            "exchange": 0,
            "tensor": "relu:0",
            "layer": "relu",
        }
        assert text.startswith("lost board 1")
        with pytest.raises(tvm.TVMError) as again:
            cluster.boards[0]["run"](executor.module, 2)
        content, text = flexpie_error(again.value)
        assert content["kind"] == "failed"
        assert "failed before: lost board 1" in text


def test_a_failing_kernel_ends_the_peers_wait(transport):
    @tvm.register_func("flexpie_test.broken_kernel", override=True)
    def broken_kernel(*_):
        raise ValueError("division by pie")

    exchange = TensorExchange(ROWS, [FULL, FULL])
    with Cluster(transport, [exchange], 2, deadline_ms=60000) as cluster:
        executors = graphs(("flexpie.exchange", "flexpie_test.broken_kernel"))
        errors = cluster.on_boards(lambda r: cluster.boards[r]["run"](executors[r].module, 0))
        content, _ = flexpie_error(errors[0])
        assert (content["kind"], content["peer"]) == ("lost_board", 1)
        assert isinstance(errors[1], ValueError)
        assert "division by pie" in str(errors[1])
        with pytest.raises(tvm.TVMError) as again:
            run_exchange(1, 0, np.zeros((3, 8), "float32"), FULL)
        content, text = flexpie_error(again.value)
        assert content["kind"] == "failed"
        assert "failed before" in text


def test_run_wants_a_module_that_runs(runtime):
    cluster = Cluster("local", [TensorExchange(ROWS, [FULL, FULL])], 2)
    with cluster, pytest.raises(tvm.TVMError, match='without "run"'):
        cluster.boards[0]["run"](runtime, 0)
