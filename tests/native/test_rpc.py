# SPDX-License-Identifier: Apache-2.0
"""Two boards behind stock TVM RPC servers, in processes of their own, with only the runtime."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tvm
from tvm import rpc
from tvm.contrib import graph_executor

from .boards import TOKEN, TensorExchange, flexpie_error, on_threads, raise_any, table
from .graphs import exchange_graph_json, exchange_library

FULL = [[0, 6], [0, 200]]
ROWS = [[[0, 3], [0, 200]], [[3, 6], [0, 200]]]

# tvm.exec.rpc_server is this and parsing arguments; it does not say which port it found. Where
# addresses are reused, two servers may bind one port before either listens; the later one fails.
SERVER = """
from tvm import rpc
server = rpc.Server("127.0.0.1", 9400, 9900, silent=True, reuse_addr=False)
print(server.port, flush=True)
server.proc.join()
"""


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@contextlib.contextmanager
def servers(count):
    """RPC servers with the small runtime library; yields (process, port) pairs."""
    started = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-c", SERVER],
                stdout=subprocess.PIPE,
                text=True,
                env=dict(os.environ, TVM_USE_RUNTIME_LIB="1"),
                start_new_session=True,  # its children outlive it: ended as a group
            )
            started.append(process)
        yield [(process, int(process.stdout.readline())) for process in started]
    finally:
        for process in started:
            end_group(process)


class RemoteBoard:
    """A session with everything a deployment keeps on one board."""

    def __init__(self, port, rank, runtime_lib, folder, deadline_ms):
        self.session = rpc.connect("127.0.0.1", port)
        self.runtime = self._load(runtime_lib)
        data = table(rank, 2, [TensorExchange(ROWS, [FULL, FULL], name="t", layer="l")])
        create = self.session.get_function("flexpie.board_create")
        self.board = create(rank, 2, json.dumps(data), deadline_ms)
        kernels = folder / f"kernels{rank}.so"
        exchange_library(rank, (3, 200), (6, 200)).export_library(str(kernels))
        self.graph = graph_executor.create(
            exchange_graph_json((3, 200), (6, 200)), self._load(kernels), self.session.cpu()
        )
        self.port = self.board["listen"]("127.0.0.1", 0)

    def _load(self, path):
        self.session.upload(str(path))
        return self.session.load_module(os.path.basename(path))

    def run(self, frame):
        self.board["run"](self.graph.module, frame)


def test_two_boards_over_rpc_and_what_is_left_when_one_is_killed(runtime_lib, tmp_path):
    with servers(2) as started:
        boards = [
            RemoteBoard(port, rank, runtime_lib, tmp_path, 60000)
            for rank, (_, port) in enumerate(started)
        ]
        assert boards[0].session.get_function("flexpie.version")() == "6"
        peers = [{"rank": r, "host": "127.0.0.1", "port": b.port} for r, b in enumerate(boards)]
        text = json.dumps(peers)
        raise_any(on_threads(*[lambda b=b: b.board["connect"](text, TOKEN) for b in boards]))

        for frame in range(3):
            whole = np.random.default_rng(frame).standard_normal((6, 200)).astype("float32")
            for rank, board in enumerate(boards):
                board.graph.set_input("x", whole[3 * rank : 3 * rank + 3])
            raise_any(on_threads(*[lambda b=b, f=frame: b.run(f) for b in boards]))
            for board in boards:
                np.testing.assert_array_equal(board.graph.get_output(0).numpy(), whole)
        stats = json.loads(boards[1].board["stats"]())
        assert (stats["frames"], stats["exchanges"][0]["bytes_sent"]) == (3, 3 * 3 * 200 * 4)

        end_group(started[1][0])
        with pytest.raises(tvm.TVMError) as caught:
            boards[0].run(3)
        content, _ = flexpie_error(caught.value)
        assert content["kind"] == "lost_board"
        assert (content["board"], content["peer"], content["layer"]) == (0, 1, "l")
        boards[0].board["close"]()
        assert boards[0].session.get_function("flexpie.version")() == "6"
