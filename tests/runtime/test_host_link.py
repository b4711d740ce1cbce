# SPDX-License-Identifier: Apache-2.0
"""The host's own connection to a board: what goes over it arrives, and strangers stay out."""

from __future__ import annotations

import os
import socket
from contextlib import closing, contextmanager

import numpy as np
import pytest
import tvm

from flexpie_tvm.errors import BoardError
from flexpie_tvm.runtime import Cluster
from flexpie_tvm.runtime.board_errors import BOARD_FAILURES, board_error
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.native import native_library

MIB = 1 << 20


@pytest.fixture(scope="module")
def session(boards):
    """A board with the native runtime."""
    with Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster:
        (session,) = cluster.sessions
        session.load_once(native_library("x86_64"))
        yield session


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
    with pytest.raises(
        BoardError, match=r"board 0 cannot be reached at .*the host and"
    ):
        HostLink(0, session, [], [], 1.0)


class Here:
    """This process as a board."""

    def __init__(self):
        self.address, self.remote = "127.0.0.1", self
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
