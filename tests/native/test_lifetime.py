# SPDX-License-Identifier: Apache-2.0
"""Ranks are taken and freed, and the library can be loaded twice and never goes away."""

import ctypes
import gc
import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import tvm

from .boards import (
    Cluster,
    TensorExchange,
    create_board,
    flexpie_error,
    raise_any,
    run_exchange,
    table,
)

FULL = [[0, 4]]
HALVES = [[[0, 2]], [[2, 4]]]


def alone(rank=0):
    return create_board(rank, 2, table(rank, 2, [TensorExchange(HALVES, [FULL, FULL])]))


def test_version_is_that_of_the_protocol():
    assert tvm.get_global_func("flexpie.version")() == "6"


def test_a_board_is_a_module():
    board = alone()
    assert board.type_key == "flexpie.Board"
    with pytest.raises(AttributeError):
        board["no_such_method"]
    board["close"]()


def exchange_outside_of_a_run():
    run_exchange(0, 0, np.arange(2, dtype="float32"), FULL)


def test_code_outside_of_a_run_needs_to_know_its_board():
    with pytest.raises(tvm.TVMError, match="no board 0 is live"):
        exchange_outside_of_a_run()
    boards = [alone(), alone()]
    with pytest.raises(tvm.TVMError) as caught:
        exchange_outside_of_a_run()
    content, text = flexpie_error(caught.value)
    assert (content["kind"], content["board"]) == ("failed", 0)
    assert "more than one board 0 is live" in text
    boards[0]["close"]()
    boards[0]["close"]()  # once more; must not remove the other
    with pytest.raises(tvm.TVMError, match="not connected"):
        exchange_outside_of_a_run()
    boards[1]["close"]()


def test_a_board_is_forgotten_with_its_last_reference():
    board = alone()
    method = board["stats"]
    del board
    gc.collect()
    with pytest.raises(tvm.TVMError, match="not connected"):
        exchange_outside_of_a_run()
    del method
    gc.collect()
    with pytest.raises(tvm.TVMError, match="no board 0 is live"):
        exchange_outside_of_a_run()


def test_a_closed_board_says_so():
    board = alone()
    board["close"]()
    board["close"]()
    for call in (lambda: board["listen"]("127.0.0.1", 0), lambda: board["connect_local"]("closed")):
        with pytest.raises(tvm.TVMError) as caught:
            call()
        content, text = flexpie_error(caught.value)
        assert content["kind"] == "failed"
        assert "closed" in text


def test_clusters_come_and_go_with_the_same_ranks(transport):
    x = np.arange(4, dtype="float32")
    for _ in range(5):
        with Cluster(transport, [TensorExchange(HALVES, [FULL, FULL])], 2) as cluster:
            for y in raise_any(
                cluster.on_boards(lambda r: cluster.exchange(r, 0, x[2 * r : 2 * r + 2]))
            ):
                np.testing.assert_array_equal(y, x)


def test_closing_frees_every_file_descriptor():
    def one():
        with Cluster("tcp", [TensorExchange(HALVES, [FULL, FULL])], 2):
            pass

    one()
    before = len(os.listdir("/proc/self/fd"))
    one()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_rank_joins_a_group_once():
    boards = [alone(0), alone(1)]
    for board in boards:
        board["connect_local"]("once")
    boards[0]["close"]()
    boards[0] = alone(0)
    with pytest.raises(tvm.TVMError) as caught:
        boards[0]["connect_local"]("once")
    assert flexpie_error(caught.value)[0]["kind"] == "handshake"
    for board in boards:
        board["close"]()


def test_connecting_twice_or_without_listening():
    board = alone()
    with pytest.raises(tvm.TVMError, match="connect needs listen first"):
        board["connect"]('[{"rank": 1, "host": "h", "port": 1}]', "0" * 32)
    board["connect_local"]("twice")
    with pytest.raises(tvm.TVMError, match="already connected"):
        board["connect_local"]("twice")
    board["close"]()


def test_a_taken_port_is_an_io_error():
    board = alone()
    server = socket.create_server(("127.0.0.1", 0))
    with server, pytest.raises(tvm.TVMError) as caught:
        board["listen"]("127.0.0.1", server.getsockname()[1])
    assert flexpie_error(caught.value)[0]["kind"] == "io"
    board["close"]()


def test_all_symbols_are_found_at_load(runtime_lib):
    ctypes.CDLL(str(runtime_lib), os.RTLD_NOW | os.RTLD_LOCAL)


def test_a_second_copy_leaves_the_boards_of_the_first_alone(runtime_lib, tmp_path):
    board = alone()
    copy = shutil.copy(runtime_lib, tmp_path / "copy.so")
    second = tvm.runtime.load_module(str(copy))
    with pytest.raises(tvm.TVMError, match="not connected"):
        exchange_outside_of_a_run()  # the board is still known
    del second
    gc.collect()
    board["close"]()
    alone()["close"]()


def test_functions_stay_when_the_module_is_collected(runtime_lib):
    """In a process of its own, because the answer to a mistake is a crash."""
    script = (
        "import gc, sys, tvm\n"
        "module = tvm.runtime.load_module(sys.argv[1])\n"
        "version = tvm.get_global_func('flexpie.version')\n"
        "board = tvm.get_global_func('flexpie.board_create')(\n"
        '    0, 1, \'{"rank": 0, "boards": 1, "exchanges": []}\', 1000)\n'
        "del module\n"
        "gc.collect()\n"
        "print(version(), board['stats']())\n"
    )
    environment = dict(os.environ, TVM_USE_RUNTIME_LIB="1")
    done = subprocess.run(
        [sys.executable, "-c", script, str(runtime_lib)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    version, stats = done.stdout.split(" ", 1)
    assert version == "6"
    assert json.loads(stats)["rank"] == 0
