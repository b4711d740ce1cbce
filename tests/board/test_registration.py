# SPDX-License-Identifier: Apache-2.0
"""Whether a tracker lists a board, asked without TVM."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from flexpie_board.registration import MAGIC, is_listed
from flexpie_tvm.runtime.tracker import connect_tracker


def test_a_tracker_lists_its_boards_and_no_others(boards):
    place = (boards.host, boards.port)
    session = connect_tracker(*place)
    ports = [int(s["addr"][1]) for s in session.summary()["server_info"]]
    session.close()
    assert ports
    for port in ports:
        assert is_listed(place, boards.key, port) is True
        assert is_listed(place, "another", port) is False
    assert is_listed(place, boards.key, max(ports) + 1) is False


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP",
        b"",
        struct.pack("<i", MAGIC) + struct.pack("<i", -1),
        struct.pack("<ii", MAGIC, 2) + b"[]",
        struct.pack("<ii", MAGIC, 12) + b'[0, ["a", 1]',
    ],
)
def test_what_is_no_tracker_says_nothing_of_a_board(answer):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def be_odd():
            guest, _ = listening.accept()
            with guest:
                guest.sendall(answer)
                guest.recv(100)

        thread = threading.Thread(target=be_odd)
        thread.start()
        assert is_listed(listening.getsockname(), "key", 1) is None
        thread.join()
    assert is_listed(("127.0.0.1", 1), "key", 1) is None


@pytest.mark.parametrize(("address", "whose"), [("127.0.0.1", True), ("192.0.2.1", False)])
def test_a_server_of_another_machine_is_not_ours(address, whose):
    """Another board may listen on the same port."""
    text = f'[0, {{"server_info": [{{"key": "server:k", "addr": ["{address}", 9090]}}]}}]'.encode()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def be_tracker():
            for _ in range(2):
                guest, _ = listening.accept()
                with guest:
                    guest.sendall(struct.pack("<ii", MAGIC, len(text)) + text)
                    guest.recv(100)

        thread = threading.Thread(target=be_tracker)
        thread.start()
        place = listening.getsockname()
        assert is_listed(place, "k", 9090) is whose
        assert is_listed(place, "k", 9090, [address]) is True
        thread.join()
