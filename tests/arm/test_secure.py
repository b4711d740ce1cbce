# SPDX-License-Identifier: Apache-2.0
"""A board of this machine and an emulated aarch64 one swap slices over an encrypted link."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tvm

from flexpie_tvm.errors import ClusterError, ToolError
from flexpie_tvm.lab.testbed.emulated import prepare_emulated
from flexpie_tvm.runtime.link_key import VARIABLE, make_key
from flexpie_tvm.runtime.native import native_library

from ..native.boards import TOKEN, TensorExchange, create_board, run_exchange, table
from ..native.proxy import Proxy

PROGRAM = Path(__file__).with_name("secure_guest.py")
WIDTH = 30_000
FULL = [[0, 2], [0, WIDTH]]
ROW = TensorExchange([[[0, 1], [0, WIDTH]], [[1, 2], [0, WIDTH]]], [FULL, FULL])


@pytest.fixture
def emulated(request):
    """Python for aarch64 under qemu."""
    try:
        return prepare_emulated("aarch64")
    except (ToolError, ClusterError) as error:
        if request.config.getoption("--require-counting"):
            pytest.fail(f"nothing runs aarch64 code: {error}")
        pytest.skip(f"nothing runs aarch64 code here: {error}")


def test_two_architectures_understand_each_other(emulated, tmp_path, monkeypatch):
    key = make_key(tmp_path / "psk.key")
    monkeypatch.setenv(VARIABLE, str(key.path))
    tvm.runtime.load_module(str(native_library(os.uname().machine)))
    values = np.random.default_rng().standard_normal((2, WIDTH)).astype("float32")
    np.save(tmp_path / "x.npy", values[:1])
    task = {"table": json.dumps(table(0, 2, [ROW])), "token": TOKEN, "shape": [2, WIDTH],
            "x": str(tmp_path / "x.npy"), "y": str(tmp_path / "y.npy")}  # fmt: skip
    settings = {"PYTHONPATH": str(emulated.packages), "TVM_USE_RUNTIME_LIB": "1",
                "TVM_NUM_THREADS": "1"}  # fmt: skip
    guest = subprocess.Popen(
        [emulated.interpreter, PROGRAM, native_library("aarch64")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | settings,
    )  # fmt: skip
    board = create_board(1, 2, table(1, 2, [ROW]), 120_000)
    try:
        guest.stdin.write(json.dumps(task) + "\n")
        guest.stdin.flush()
        with Proxy(json.loads(guest.stdout.readline())["port"]) as proxy:
            peers = [{"rank": r, "host": "127.0.0.1", "port": proxy.port} for r in range(2)]
            board["connect"](json.dumps(peers), TOKEN)
            here = run_exchange(1, 0, values[1:], FULL)
            assert guest.wait(120) == 0
            heard = bytes(proxy.heard)
    finally:
        board["close"]()
        guest.kill()
        guest.communicate()
    for got in (here, np.load(tmp_path / "y.npy")):
        np.testing.assert_array_equal(got, values)
    assert len(heard) > values.nbytes
    assert not any(row.tobytes()[:16] in heard for row in values)
