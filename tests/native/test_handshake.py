# SPDX-License-Identifier: Apache-2.0
"""Only boards of this deployment get a connection; whoever else knocks does not disturb them."""

import contextlib
import json
import os
import socket

import pytest

from .boards import TOKEN, TensorExchange, create_board, flexpie_error, on_threads, table
from .raw_peer import Async, Lonely, dial, hello, is_closed, read

OTHER_TOKEN = "f" * 32


def wants_in(lonely):
    """The right board 1 gets through."""
    with dial(lonely.port) as sock:
        sock.sendall(hello(1, 0))
        assert read(sock, 32) == hello(0, 1)


@pytest.mark.parametrize(
    "said",
    [
        hello(1, 0, token=OTHER_TOKEN),
        hello(1, 0, version=1),
        hello(1, 0, magic=b"HTTP"),
        hello(2, 0),
        hello(0, 0),
        hello(1, 3),
        b"GET / HTTP/1.1\r\nHost: board\r\n\r\n" + os.urandom(5000),
    ],
    ids=["token", "version", "magic", "rank", "own rank", "receiver", "garbage"],
)
def test_an_intruder_is_dropped_and_the_right_peer_gets_through(said):
    with Lonely() as lonely:
        connecting = lonely.start_connect()
        with dial(lonely.port) as intruder:
            # The board may close before all of it is sent: that is what is asked of it.
            with contextlib.suppress(ConnectionError):
                intruder.sendall(said)
            assert is_closed(intruder)
        wants_in(lonely)
        connecting.join()


def test_silent_connections_do_not_keep_the_right_peer_out():
    with Lonely() as lonely:
        connecting = lonely.start_connect()
        silent = [dial(lonely.port) for _ in range(100)]
        silent[50].sendall(hello(1, 0)[:31])
        wants_in(lonely)
        connecting.join()
        for sock in silent:
            sock.close()


def test_two_clusters_with_different_tokens_do_not_mix():
    full = [[0, 2]]
    exchange = TensorExchange([[[0, 1]], [[1, 2]]], [full, full])
    boards = [create_board(r, 2, table(r, 2, [exchange]), deadline_ms=300) for r in range(2)]
    ports = [board["listen"]("127.0.0.1", 0) for board in boards]
    peers = json.dumps([{"rank": r, "host": "127.0.0.1", "port": ports[r]} for r in range(2)])
    errors = on_threads(
        lambda: boards[0]["connect"](peers, TOKEN), lambda: boards[1]["connect"](peers, OTHER_TOKEN)
    )
    (low, low_text), (high, high_text) = [flexpie_error(error) for error in errors]
    assert (low["kind"], low["peer"]) == ("deadline", 1)
    assert "session token" in low_text
    assert (high["kind"], high["peer"]) == ("handshake", 0)
    assert OTHER_TOKEN not in low_text + high_text
    assert TOKEN not in low_text + high_text
    for board in boards:
        board["close"]()


def test_a_stranger_at_the_peers_address_is_a_handshake_error():
    """Board 1 dials; the listener there answers with another deployment's token."""
    exchange = TensorExchange([[[0, 1]], None], [None, [[0, 1]]])
    board = create_board(1, 2, table(1, 2, [exchange]), deadline_ms=20000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        peers = [{"rank": 0, "host": "127.0.0.1", "port": server.getsockname()[1]}]
        connecting = Async(board["connect"], json.dumps(peers), TOKEN)
        sock, _ = server.accept()
        with sock:
            assert read(sock, 32) == hello(1, 0)
            sock.sendall(hello(0, 1, token=OTHER_TOKEN))
            content, _ = connecting.error()
    assert (content["kind"], content["board"], content["peer"]) == ("handshake", 1, 0)
    board["close"]()


def test_dialling_goes_on_until_the_peer_listens():
    """Board 1 dials a port where nobody listens yet, and is turned away twice."""
    exchange = TensorExchange([[[0, 1]], None], [None, [[0, 1]]])
    board = create_board(1, 2, table(1, 2, [exchange]), deadline_ms=20000)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        peers = [{"rank": 0, "host": "127.0.0.1", "port": server.getsockname()[1]}]
        connecting = Async(board["connect"], json.dumps(peers), TOKEN)
        server.listen()
        for _ in range(2):
            server.accept()[0].close()
        sock, _ = server.accept()
        with sock:
            assert read(sock, 32) == hello(1, 0)
            sock.sendall(hello(0, 1))
            connecting.join()
    board["close"]()


def test_nobody_is_let_in_once_all_peers_are_connected():
    with Lonely() as lonely, lonely.greet(), pytest.raises(ConnectionRefusedError):
        dial(lonely.port)


def test_only_boards_that_share_messages_are_connected():
    """Board 2 has nothing to do with the others and needs no peers, not even a listener."""
    exchange = TensorExchange([[[0, 1]], None, None], [None, [[0, 1]], None])
    board = create_board(2, 3, table(2, 3, [exchange]))
    board["connect"](json.dumps([]), TOKEN)
    board["close"]()


@pytest.mark.parametrize(
    ("peers", "token", "expected"),
    [
        ("[", TOKEN, "bad JSON"),
        ("{}", TOKEN, "array"),
        ("[]", TOKEN, "no board 1"),
        ('[{"rank": 9, "host": "h", "port": 1}]', TOKEN, "rank 9"),
        ('[{"rank": 1, "host": "h", "port": 70000}]', TOKEN, "port 70000"),
        (
            '[{"rank": 1, "host": "h", "port": 1}, {"rank": 1, "host": "g", "port": 2}]',
            TOKEN,
            "twice",
        ),
        ('[{"rank": 1, "host": null, "port": 1}]', TOKEN, "string"),
        ('[{"rank": 1, "host": "h", "port": 1}]', TOKEN[:-1], "32 hex digits"),
        ('[{"rank": 1, "host": "h", "port": 1}]', TOKEN[:-1] + "g", "32 hex digits"),
    ],
)
def test_bad_arguments_of_connect(peers, token, expected):
    with Lonely() as lonely:
        content, text = Async(lonely.board["connect"], peers, token).error()
        assert content["kind"] == "table"
        assert expected in text
