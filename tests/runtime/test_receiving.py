# SPDX-License-Identifier: Apache-2.0
"""The host wakes for all that it waits for, and takes what has come when time is up."""

from __future__ import annotations

import socket

import pytest

from flexpie_tvm.runtime.host_link import receive_into


def test_what_has_come_is_given_before_time_is_up():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), 0.2) as ours,
    ):
        theirs, _ = server.accept()
        memory = memoryview(bytearray(1000))
        theirs.sendall(b"x" * 100)
        assert receive_into(ours, [memory], 1000) == 100
        with pytest.raises(TimeoutError):
            receive_into(ours, [memory], 900)
        theirs.sendall(b"y" * 900)
        assert receive_into(ours, [memory[:500], memory[500:900]], 900) == 900
        assert bytes(memory[:900]) == b"y" * 900
        theirs.close()
        assert receive_into(ours, [memory], 1) == 0  # the end
