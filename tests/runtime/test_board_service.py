# SPDX-License-Identifier: Apache-2.0
"""A board of ``flexpie board`` comes back by itself, whatever dies."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import tvm

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import BoardUntrusted
from flexpie_tvm.runtime import Cluster, LocalBoards
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.link_key import make_key
from flexpie_tvm.runtime.native import native_archs, native_library
from flexpie_tvm.runtime.tracker import connect_tracker, free_boards

from .processes import board_process

COMMAND = [str(Path(sys.executable).with_name("flexpie")), "board"]


@contextmanager
def board(tracker: LocalBoards, *options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A board under a key of its own; it ends when it is asked to."""
    key = f"own-{os.getpid()}-{time.monotonic_ns()}"
    where = ["--tracker", f"{tracker.host}:{tracker.port}", "--key", key, "--host", "127.0.0.1"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, *where, "--port", str(port), *options], stderr=subprocess.PIPE, text=True
    )
    try:
        assert registered(tracker, key)
        yield process, key
    finally:
        process.terminate()
        said = process.communicate()[1]
        assert process.returncode == 0, said
        assert said.splitlines()[-1].endswith("board: ended")
    assert not listed(tracker, key)


def registered(tracker: LocalBoards, key: str) -> bool:
    """Wait until a board is free under a key."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if free_boards(tracker.host, tracker.port, key):
            return True
        time.sleep(0.05)
    return False


def listed(tracker: LocalBoards, key: str) -> list[int]:
    """Ports of the servers that a tracker lists under a key."""
    session = connect_tracker(tracker.host, tracker.port)
    try:
        servers = session.summary()["server_info"]
    finally:
        session.close()
    return [int(s["addr"][1]) for s in servers if s["key"] == f"server:{key}"]


def assert_it_works(tracker: LocalBoards, key: str) -> None:
    """Take the board, send it something, give it back."""
    with Cluster.connect((tracker.host, tracker.port), key, 1) as cluster:
        remote = cluster.sessions[0].remote
        values = np.random.default_rng(5).normal(size=7).astype("float32")
        array = tvm.nd.array(values, remote.cpu(0))
        np.testing.assert_array_equal(array.numpy(), values)
        del array
    assert registered(tracker, key)


def test_a_board_works_and_comes_back_after_each_session(boards):
    with board(boards) as (_, key):
        for _ in range(2):
            assert_it_works(boards, key)


def test_a_board_whose_session_is_killed_comes_back(boards):
    """As by the kernel for want of memory; a stock server never registers again."""
    with board(boards) as (process, key):
        cluster = Cluster.connect((boards.host, boards.port), key, 1)
        assert cluster.sessions[0].arch(native_archs())  # loads a file, by which it is found
        os.kill(board_process(cluster, 0), signal.SIGKILL)
        assert registered(boards, key)
        cluster.close()
        assert_it_works(boards, key)
        assert process.poll() is None


def test_a_board_comes_back_after_bytes_that_make_no_sense(boards):
    with board(boards) as (_, key):
        (port,) = listed(boards, key)
        with socket.create_connection(("127.0.0.1", port)) as odd:
            odd.sendall(struct.pack("<ii", 0xFF271, 0))  # a key of no length
            odd.settimeout(60)
            assert odd.recv(1) == b""
        assert_it_works(boards, key)


def test_a_board_comes_back_after_its_host_was_killed(boards):
    with board(boards) as (_, key):
        script = (
            "import sys\n"
            "from flexpie_tvm.runtime import Cluster\n"
            f"cluster = Cluster.connect(({boards.host!r}, {boards.port}), {key!r}, 1)\n"
            "print('taken', flush=True)\n"
            "sys.stdin.read()\n"
        )
        host = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert host.stdout.readline() == "taken\n"
        host.kill()
        host.communicate()
        assert registered(boards, key)
        assert_it_works(boards, key)


def test_a_session_has_no_more_memory_than_it_is_given(boards):
    with (
        board(boards, "--memory", "1GB") as (_, key),
        Cluster.connect((boards.host, boards.port), key, 1) as cluster,
    ):
        remote = cluster.sessions[0].remote
        with pytest.raises(tvm.error.TVMError):
            tvm.nd.empty((600 << 20,), "float32", remote.cpu(0))


def test_a_board_with_a_key_makes_encrypted_links_only(boards, tmp_path):
    key = make_key(tmp_path / "psk.key")
    with (
        board(boards, "--psk", str(key.path)) as (_, name),
        Cluster.connect((boards.host, boards.port), name, 1, key.path) as cluster,
    ):
        (session,) = cluster.sessions
        session.load_once(native_library(os.uname().machine))
        data = np.random.default_rng().integers(0, 256, 100_000, dtype=np.uint8)
        held = [tvm.nd.empty(data.shape, "uint8", session.remote.cpu(0))]
        with closing(HostLink(0, session, held, held, 10.0)) as link:
            link.scatter([data])
            np.testing.assert_array_equal(link.gather()[0], data)
        session.secure = None
        with pytest.raises(BoardUntrusted, match="makes no plain link"):
            HostLink(0, session, held, held, 10.0)


def test_what_is_no_board_is_one_line(capsys):
    for options, said in (
        (["--tracker", "nowhere", "--key", "k"], "is not HOST:PORT"),
        (["--tracker", "h:1", "--key", "k", "--memory", "much"], "memory 'much'"),
        (["--tracker", "h:1", "--key", "k", "--memory", "1MB"], "64MiB or more"),
    ):
        assert run_command(["board", *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
