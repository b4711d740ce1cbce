# SPDX-License-Identifier: Apache-2.0
"""The host's own connection to a board: what goes over it arrives, and strangers stay out."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing, contextmanager

import numpy as np
import pytest
import tvm

from flexpie_tvm.errors import BoardDamaged, BoardError
from flexpie_tvm.runtime import host_link
from flexpie_tvm.runtime.board_errors import BOARD_FAILURES, board_error
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.native import native_library
from flexpie_tvm.runtime.upload import load_module

MIB = 1 << 20


def remote(session, like: np.ndarray) -> tvm.nd.NDArray:
    return tvm.nd.empty(like.shape, str(like.dtype), session.remote.cpu(0))


@contextmanager
def echo(session, arrays, deadline: float = 30.0):
    """A link whose outputs are its inputs."""
    held = [remote(session, array) for array in arrays]
    with closing(HostLink(0, session, held, held, deadline)) as link:
        yield link


@pytest.mark.parametrize(
    "shapes",
    [
        [((1, 3, 5, 7), "float32")],
        [((), "float32"), ((9,), "int8"), ((2, 3), "int64"), ((4, 1), "bool")],
        [((0, 3), "float32"), ((5,), "uint8")],
    ],
    ids=["one", "scalar and others", "empty"],
)
def test_what_is_scattered_is_gathered(session, shapes):
    rng = np.random.default_rng(3)
    arrays = [np.asarray(rng.integers(0, 2, shape)).astype(dtype) for shape, dtype in shapes]
    with echo(session, arrays) as link:
        for _ in range(3):
            link.scatter(arrays)
            answers = link.gather()
            for answer, array in zip(answers, arrays, strict=True):
                np.testing.assert_array_equal(answer, array, strict=True)


def test_a_part_that_is_not_compact_is_sent_as_it_looks(session):
    whole = np.random.default_rng(4).normal(size=(3, 8, 9)).astype("float32")
    part = whole[:, 2:5, ::2]
    with echo(session, [part]) as link:
        link.scatter([part])
        np.testing.assert_array_equal(link.gather()[0], part)


@pytest.mark.parametrize(
    "part",
    [
        (slice(None), slice(None), slice(10, 90)),  # long runs, which are sent from where they lie
        (slice(None), slice(None), slice(None), slice(3, 90)),  # short ones
        (slice(None), slice(1, 2), slice(2, 100)),
        (slice(0, 0), slice(None), slice(2, 100)),
        (slice(None, None, -1),),
    ],
    ids=["rows", "columns", "one channel", "empty", "backwards"],
)
def test_a_part_of_a_large_image_is_sent_as_it_looks(session, part):
    whole = np.random.default_rng(6).normal(size=(2, 3, 120, 100)).astype("float32")
    with echo(session, [whole[part]]) as link:
        link.scatter([whole[part]])
        np.testing.assert_array_equal(link.gather()[0], whole[part])


def test_what_no_buffer_holds_goes_both_ways_around_a_call(session):
    """Neither side may wait for the other one to read: the host sends, then asks, then reads."""
    big = np.random.default_rng(5).integers(0, 255, 32 * MIB, dtype=np.uint8)
    with echo(session, [big]) as link:
        answer = link.infer_global([big], "runtime.GetDeviceAttr", 1, 0, 0)[0]
    np.testing.assert_array_equal(answer, big)


def test_a_board_waits_for_its_inputs_no_longer_than_its_deadline(session):
    array = np.zeros(4, "float32")
    with echo(session, [array], deadline=0.2) as link:
        with pytest.raises(BOARD_FAILURES) as caught:
            link._take()  # and nothing was sent
        error = board_error(0, caught.value)
        assert "the host sent no input to board 0 for 200 ms" in str(error)
        link.scatter([array])  # nothing is lost by that


def test_inputs_of_another_length_end_the_link(session):
    array = np.zeros(4, "float32")
    with echo(session, [array]) as link:
        with pytest.raises(BOARD_FAILURES) as caught:
            link.scatter([array[:3]])
        assert "what is not an inference's inputs" in str(board_error(0, caught.value))
        with pytest.raises(BOARD_FAILURES):
            link.scatter([array])


def test_a_function_that_is_not_there_is_named(session):
    with echo(session, [np.zeros(4, "float32")]) as link, pytest.raises(BOARD_FAILURES) as caught:
        link.infer_global([np.zeros(4, "float32")], "flexpie.no_such_function")
    assert 'no function "flexpie.no_such_function"' in str(board_error(0, caught.value))


def test_who_does_not_know_the_token_is_not_the_host(session, monkeypatch):
    connect = socket.create_connection

    def after_a_stranger(address, *rest):
        with connect(address, *rest) as stranger:
            stranger.sendall(b"x" * 64)
        return connect(address, *rest)

    monkeypatch.setattr(socket, "create_connection", after_a_stranger)
    array = np.arange(6, dtype="float32")
    with echo(session, [array]) as link:
        link.scatter([array])
        np.testing.assert_array_equal(link.gather()[0], array)


def test_a_port_that_cannot_be_reached_is_an_error_that_says_so(session, monkeypatch):
    def refuse(*_):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(BoardError, match=r"board 0 cannot be reached at .*the host and"):
        HostLink(0, session, [], [], 1.0)


class Here:
    """This process as a board."""

    def __init__(self):
        self.address, self.remote, self.secure = "127.0.0.1", self, None
        self._library = tvm.runtime.load_module(str(native_library("x86_64")))

    def get_function(self, name: str):
        return tvm.get_global_func(name)


def test_closing_ends_the_board_s_threads():
    here, array = Here(), tvm.nd.empty((3,), "float32")
    before = len(os.listdir("/proc/self/task"))
    link = HostLink(0, here, [array], [array], 5.0)
    assert len(os.listdir("/proc/self/task")) == before + 2
    link.close()
    assert len(os.listdir("/proc/self/task")) == before
    link.close()


class Flipping:
    """A connection on which one bit changes: of what is sent, or of what is received."""

    def __init__(self, sock: socket.socket, sent: int = -1, received: int = -1):
        self._sock, self._sent, self._received = sock, sent, received

    def __getattr__(self, name):
        return getattr(self._sock, name)

    def sendall(self, data):
        self._sent -= len(data)
        self._sock.sendall(data)

    def sendmsg(self, parts):
        data = bytearray().join(parts)
        self._sent = flip(data, self._sent)
        self._sock.sendall(data)
        return len(data)

    def recvmsg_into(self, parts):
        count, *rest = self._sock.recvmsg_into(parts)
        left = count
        for part in parts:
            self._received = flip(part[:left], self._received)
            left -= len(part[:left])
        return count, *rest


def flip(data: bytearray | memoryview, at: int) -> int:
    """Change a bit of the byte at a place that is still so many bytes ahead; what is then."""
    if 0 <= at < len(data):
        data[at] ^= 0x10
    return at - len(data)


GREETING, HEADER = host_link.GREETING.size, host_link.HEADER.size


def over_a_bad_wire(session, monkeypatch, size, **where):
    """What scatter and gather of random bytes end with."""
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *a: Flipping(connect(*a), **where))
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    with echo(session, [data]) as link:
        link.scatter([data])
        np.testing.assert_array_equal(link.gather()[0], data)


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999, 1.0])
def test_a_bit_of_the_inputs_that_changes_on_the_way_is_found(session, monkeypatch, size, where):
    at = GREETING + HEADER + int(where * size) + 2 * (where == 1)  # the last is in the checksum
    with pytest.raises(BOARD_FAILURES) as caught:
        over_a_bad_wire(session, monkeypatch, size, sent=at)
    error = board_error(0, caught.value)
    assert type(error) is BoardDamaged
    assert f"{size} bytes from the host came damaged" in str(error)
    assert "to board 0" in str(error)


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999, 1.0])
def test_a_bit_of_the_answer_that_changes_on_the_way_is_found(session, monkeypatch, size, where):
    at = HEADER + int(where * size) + 2 * (where == 1)
    with pytest.raises(BoardDamaged, match=f"{size} bytes from board 0 came damaged"):
        over_a_bad_wire(session, monkeypatch, size, received=at)


def test_a_header_that_changes_on_the_way_is_an_error(session, monkeypatch):
    for at in range(HEADER):
        with pytest.raises(BOARD_FAILURES):
            over_a_bad_wire(session, monkeypatch, 64, sent=GREETING + at)
        with pytest.raises(BOARD_FAILURES):
            over_a_bad_wire(session, monkeypatch, 64, received=at)


def test_a_bit_of_an_uploaded_file_that_changes_on_the_way_is_found(session, monkeypatch, tmp_path):
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *a: Flipping(connect(*a), sent=90000))
    file = tmp_path / "library.so"
    file.write_bytes(np.random.default_rng(2).bytes(MIB))
    with pytest.raises(BOARD_FAILURES) as caught:
        load_module(0, session, file, 5.0)
    assert type(board_error(0, caught.value)) is BoardDamaged


def test_a_host_of_another_version_is_told_so(monkeypatch):
    monkeypatch.setattr(host_link, "VERSION", host_link.VERSION - 1)
    with pytest.raises(BOARD_FAILURES, match=r"host speaks version \d+ of the protocol, board 0"):
        HostLink(0, Here(), [], [], 5.0)


def test_what_trickles_is_progress(session):
    """Fewer bytes than wake a board, in less than its deadline, for longer than that in all."""
    array = np.random.default_rng(6).integers(0, 99, 4000).astype("int8")
    with echo(session, [array], deadline=2.0) as link:
        connection = link._socket
        sent = []

        class Slow:
            """Sends an eighth of it and rests, four times, then the rest."""

            def sendmsg(self, parts):
                if len(sent) < 4:
                    sent.append(connection.send(bytes(parts[0])[:500]))
                    time.sleep(0.8)
                    return sent[-1]
                return connection.sendmsg(parts)

        link._socket = Slow()
        sending = threading.Thread(target=link._send, args=([array],))
        sending.start()
        try:
            link._take()
        finally:
            sending.join()
            link._socket = connection
        np.testing.assert_array_equal(link.gather()[0], array)
    assert len(sent) == 4
