# SPDX-License-Identifier: Apache-2.0
"""What a board says when a peer is late, gone or out of step."""

import contextlib
import json
import socket
import time

import numpy as np
import pytest

from .boards import TOKEN, Cluster, TensorExchange, create_board, flexpie_error, run_exchange, table
from .raw_peer import HALF, Async, Lonely, X, full_row, header, is_closed, payload, place, read

LONG_MS = 60000  # no test waits so long: an error that comes before has not come from the deadline


def test_raw_peer_and_board_understand_each_other():
    """The bytes on the wire, so that the tests below fail for the right reason."""
    with Lonely(HALF) as lonely, lonely.greet() as sock:
        exchanging = lonely.start_exchange(X)
        assert read(sock, 16) == header(0, 0, 4 * HALF, source=0, target=1)
        assert read(sock, 4 * HALF + 4) == payload(X.tobytes())
        sock.sendall(header(0, 0, 4 * HALF) + payload((X + HALF).tobytes()))
        np.testing.assert_array_equal(exchanging.join(), np.arange(2 * HALF, dtype="float32"))


def test_a_message_in_small_pieces_arrives_whole():
    with Lonely(HALF) as lonely, lonely.greet() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchanging = lonely.start_exchange(X)
        message = header(0, 0, 4 * HALF) + payload((X + HALF).tobytes())
        for begin, end in [(0, 1), (1, 15), (15, 17), (17, 1001), (1001, 4018), (4018, 4020)]:
            sock.sendall(message[begin:end])
            time.sleep(0.01)
        np.testing.assert_array_equal(exchanging.join(), np.arange(2 * HALF, dtype="float32"))


def test_deadline_when_a_peer_never_connects():
    with Lonely(HALF, deadline_ms=200) as lonely:
        content, text = lonely.start_connect().error()
        assert (content["kind"], content["board"], content["peer"]) == ("deadline", 0, 1)
        assert "board 1 did not connect within 200 ms" in text
        failed, again = lonely.start_exchange(X).error()
        assert failed["kind"] == "failed"
        assert "did not connect" in again


def test_deadline_when_nobody_listens_at_the_peers_address():
    board = create_board(1, 2, table(1, 2, [full_row()]), deadline_ms=200)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can take the port
        port = bound.getsockname()[1]
        peers = json.dumps([{"rank": 0, "host": "127.0.0.1", "port": port}])
        content, text = Async(board["connect"], peers, TOKEN).error()
    assert (content["kind"], content["board"], content["peer"]) == ("deadline", 1, 0)
    assert f"127.0.0.1:{port}" in text
    assert "refused" in text
    board["close"]()


def test_deadline_when_a_peer_never_takes_part(transport):
    with Cluster(transport, [full_row()], 2, deadline_ms=500) as cluster:
        content, _ = Async(cluster.exchange, 0, 0, X).error()
        assert content["kind"] == "deadline"
        assert place(content) == (0, 1, 0, "conv1:0", 'conv "1"')


def test_deadline_when_a_peer_stops_in_the_middle():
    with Lonely(HALF, deadline_ms=500) as lonely, lonely.greet() as sock:
        sock.sendall(header(0, 0, 4 * HALF) + bytes(HALF))
        content, text = lonely.start_exchange(X).error()
        assert content["kind"] == "deadline"
        assert place(content) == (0, 1, 0, "conv1:0", "conv1")
        assert f"{16 + HALF} bytes into a message from it" in text
        assert read(sock, 16 + 4 * HALF + 4)[:2] == b"FX"
        assert is_closed(sock)


def test_deadline_counts_from_the_last_progress():
    """The message takes longer than the deadline to come, but never stops for so long."""
    with Lonely(HALF, deadline_ms=1000) as lonely, lonely.greet() as sock:
        exchanging = lonely.start_exchange(X)
        message = header(0, 0, 4 * HALF) + payload((X + HALF).tobytes())
        for begin in range(0, len(message), 500):
            sock.sendall(message[begin : begin + 500])
            time.sleep(0.13)
        np.testing.assert_array_equal(exchanging.join(), np.arange(2 * HALF, dtype="float32"))


@pytest.mark.parametrize(
    "said", [b"", header(0, 0, 4 * HALF)[:7], header(0, 0, 4 * HALF) + bytes(99)]
)
def test_a_lost_board_is_named_at_once(said):
    with Lonely(HALF, deadline_ms=LONG_MS) as lonely, lonely.greet() as sock:
        exchanging = lonely.start_exchange(X)
        read(sock, 16 + 4 * HALF + 4)
        begin = time.monotonic()
        sock.sendall(said)
        sock.close()
        content, _ = exchanging.error()
        assert content["kind"] == "lost_board"
        assert place(content) == (0, 1, 0, "conv1:0", "conv1")
        assert time.monotonic() - begin < LONG_MS / 1000 / 4  # not by waiting for the deadline
        assert lonely.start_exchange(X).error()[0]["kind"] == "failed"


def test_a_reset_connection_is_a_lost_board():
    with Lonely(HALF, deadline_ms=LONG_MS) as lonely:
        sock = lonely.greet()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with RST
        sock.close()
        content, _ = lonely.start_exchange(X).error()
        assert (content["kind"], content["peer"]) == ("lost_board", 1)


def test_closing_a_board_ends_its_peers_wait(transport):
    with Cluster(transport, [full_row()], 2, deadline_ms=LONG_MS) as cluster:
        exchanging = Async(cluster.exchange, 0, 0, X)
        time.sleep(0.05)
        cluster.boards[1]["close"]()
        content, _ = exchanging.error()
        assert (content["kind"], content["peer"]) == ("lost_board", 1)


def test_closing_a_board_ends_its_own_wait(transport):
    with Cluster(transport, [full_row()], 2, deadline_ms=LONG_MS) as cluster:
        exchanging = Async(cluster.exchange, 0, 0, X)
        time.sleep(0.05)
        cluster.boards[0]["close"]()
        content, text = exchanging.error()
        assert (content["kind"], content["board"]) == ("failed", 0)
        assert "closed" in text


@pytest.mark.parametrize("knew_of_it", [True, False])
def test_a_board_that_left_before_its_peer_joined_is_lost(knew_of_it):
    exchanges = [full_row()] if knew_of_it else []
    gone = create_board(1, 2, table(1, 2, exchanges), deadline_ms=LONG_MS)
    watcher = create_board(2, 3, table(2, 3, []))  # keeps the group while nobody else is in it
    for board in (gone, watcher):
        board["connect_local"]("left early")
    gone["close"]()
    late = create_board(0, 2, table(0, 2, [full_row()]), deadline_ms=LONG_MS)
    late["connect_local"]("left early")
    content, _ = Async(run_exchange, 0, 0, X, [[0, 2 * HALF]]).error()
    assert (content["kind"], content["peer"]) == ("lost_board", 1)
    for board in (late, watcher):
        board["close"]()


def test_closing_a_board_ends_its_connect():
    with Lonely(HALF, deadline_ms=LONG_MS) as lonely:
        connecting = lonely.start_connect()
        time.sleep(0.05)
        lonely.board["close"]()
        assert connecting.error()[0]["kind"] == "failed"


def test_a_failure_spreads_to_all_boards_at_once(transport):
    """Board 2 hands over a tensor that does not fit; 1 waits for 2, and 0 waits for 1."""
    rows = [[[r, r + 1], [0, 4]] for r in range(3)]
    from_2_to_1 = TensorExchange(rows, [rows[0], [[1, 3], [0, 4]], rows[2]])
    from_1_to_0 = TensorExchange(rows, [[[0, 2], [0, 4]], rows[1], rows[2]])
    with Cluster(transport, [from_2_to_1, from_1_to_0], 3, deadline_ms=LONG_MS) as cluster:

        def frame(rank):
            for number in range(2):
                cluster.exchange(rank, number, np.zeros((1, 5 if rank == 2 else 4), "float32"))

        contents = [flexpie_error(error)[0] for error in cluster.on_boards(frame)]
        assert contents[2]["kind"] == "table"
        assert (contents[1]["kind"], contents[1]["peer"]) == ("lost_board", 2)
        assert (contents[0]["kind"], contents[0]["peer"]) == ("lost_board", 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (header(1, 0, 4 * HALF), "exchange 1, frame 0, 4000 bytes"),
        (header(0, 1, 4 * HALF), "exchange 0, frame 1, 4000 bytes"),
        (header(0, 0, 4 * HALF - 4), "exchange 0, frame 0, 3996 bytes"),
        (header(0, 0, 4 * HALF, magic=b"XF"), "bytes that are no header"),
        (header(0, 0, 4 * HALF, source=2), "4000 bytes from board 2 to board 0"),
        (header(0, 0, 4 * HALF, target=2), "4000 bytes from board 1 to board 2"),
    ],
    ids=["exchange", "frame", "length", "magic", "source", "target"],
)
def test_a_wrong_header_is_desync(wrong, says):
    with Lonely(HALF) as lonely, lonely.greet() as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(wrong + bytes(4 * HALF))
        content, text = lonely.start_exchange(X).error()
        assert content["kind"] == "desync"
        assert place(content) == (0, 1, 0, "conv1:0", "conv1")
        assert "expected exchange 0, frame 0, 4000 bytes" in text
        assert says in text


def test_boards_that_meet_exchanges_in_different_order_notice(transport):
    with Cluster(transport, [full_row(), full_row()], 2) as cluster:
        errors = cluster.on_boards(lambda rank: cluster.exchange(rank, rank, X))
        kinds = {flexpie_error(error)[0]["kind"] for error in errors}
        assert "desync" in kinds
        assert kinds <= {"desync", "lost_board"}
