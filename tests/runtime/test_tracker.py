# SPDX-License-Identifier: Apache-2.0
"""Trackers that are none, and boards that are registered but gone."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager

import pytest
from tvm import rpc
from tvm.error import TVMError
from tvm.rpc import base

from flexpie_tvm.errors import ClusterError
from flexpie_tvm.runtime import Cluster, tracker


@contextmanager
def server(serve):
    """A TCP server that hands each connection to ``serve``; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            held = []
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def greet(connection):
    connection.recv(4)
    connection.sendall(struct.pack("<i", base.RPC_TRACKER_MAGIC))


def answer(connection, value):
    size = struct.unpack("<i", connection.recv(4))[0]
    connection.recv(size)
    text = json.dumps(value).encode()
    connection.sendall(struct.pack("<i", len(text)) + text)


def summary(free):
    return [0, {"queue_info": {"k": {"free": free, "pending": 0}}}]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(tracker, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(tracker, "BOARD_SECONDS", 1.0)


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "not a TVM RPC tracker"),
        (lambda c: None, "timed out"),
        (lambda c: c.close(), "onnection reset"),
        (greet, "timed out"),
    ],
)
def test_what_is_no_tracker_is_named_soon(serve, words):
    start = time.monotonic()
    with server(serve) as port, pytest.raises(ClusterError, match=words) as caught:
        Cluster.connect(("127.0.0.1", port), "k", 1)
    assert time.monotonic() - start < 5
    assert f"tracker 127.0.0.1:{port} cannot be reached" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_board_that_somebody_else_takes_first():
    def serve(connection):
        greet(connection)
        answer(connection, summary(1))  # and the request that follows is never answered

    with server(serve) as port, pytest.raises(ClusterError, match="somebody else took a board"):
        Cluster.connect(("127.0.0.1", port), "k", 1)


def test_a_registered_board_that_says_nothing():
    with server(lambda c: None) as board:

        def serve(connection):
            greet(connection)
            answer(connection, summary(1))
            answer(connection, [0, ["127.0.0.1", board, "server:k:1"]])

        with server(serve) as port, pytest.raises(ClusterError) as caught:
            Cluster.connect(("127.0.0.1", port), "k", 1)
    assert f"board 127.0.0.1:{board} is registered but does not answer" in str(caught.value)


@pytest.mark.parametrize("text", ["host:70000", "host:0", "host:²"])
def test_ports_are_ports(text):
    with pytest.raises(ClusterError, match="is not HOST:PORT"):
        Cluster.connect(text, "k", 1)


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
def test_host_names_that_are_none(host):
    with pytest.raises(ClusterError, match="cannot be reached"):
        Cluster.connect((host, 9190), "k", 1)


def refused(place: tuple[str, int]) -> TVMError:
    """What TVM says of a place that cannot be called."""
    with pytest.raises(TVMError) as caught:
        rpc.connect(*place, "key")
    return caught.value


def test_a_board_that_cannot_be_called_yet_is_called_again():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        script = [refused(bound.getsockname())] * 2 + ["a session"]

    def call():
        if isinstance(script[0], Exception):
            raise script.pop(0)
        return script[0]

    assert tracker.patiently(call, threading.Event()) == "a session"


def test_a_board_that_answers_no_is_called_once_and_so_is_one_that_nobody_wants_any_more():
    calls, over = [], threading.Event()

    def answer_no():
        calls.append(1)
        raise TVMError("code != RPC_CODE_SUCCESS")

    with pytest.raises(TVMError, match="SUCCESS"):
        tracker.patiently(answer_no, over)
    over.set()
    with pytest.raises(TVMError, match="Connect to"):
        tracker.patiently(lambda: rpc.connect("127.0.0.1", 1, "key"), over)
    assert len(calls) == 1
