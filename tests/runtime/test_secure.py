# SPDX-License-Identifier: Apache-2.0
"""Deployments whose links are encrypted, on boards behind stock RPC servers."""

from __future__ import annotations

import os
import signal
import socket
import stat
from contextlib import closing, contextmanager

import numpy as np
import pytest
import tvm

from flexpie_tvm.errors import BoardDamaged, BoardError, BoardUntrusted, InputError
from flexpie_tvm.runtime import Cluster, local_boards
from flexpie_tvm.runtime.board_errors import BOARD_FAILURES, board_error
from flexpie_tvm.runtime.host_link import HostLink
from flexpie_tvm.runtime.link_key import make_key, read_key
from flexpie_tvm.runtime.native import native_library

from ..native.proxy import Proxy
from .processes import board_process

MIB = 1 << 20


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """The file of a key."""
    return make_key(tmp_path_factory.mktemp("key") / "psk.key").path


@pytest.fixture(scope="module")
def secure_boards(key):
    """Two boards that have it."""
    with local_boards(2, secure=key) as boards:
        yield boards


def connect(boards, count, secure):
    return Cluster.connect((boards.host, boards.port), boards.key, count, secure)


def test_encrypted_deployments_answer_the_same_bits(
    boards, secure_boards, key, artifacts, small_inputs
):
    answers = []
    for place, secure in ((boards, None), (secure_boards, key)):
        with (
            connect(place, 2, secure) as cluster,
            cluster.deploy(artifacts(2, "InH")) as deployment,
        ):
            answers.append(deployment.run(small_inputs))
            answers.extend(deployment.stream([small_inputs] * 5))
            answers.append(deployment.run(small_inputs))
            assert {session.secure.path if session.secure else None
                    for session in deployment.sessions} == {secure}  # fmt: skip
    for answer in answers[1:]:
        for got, first in zip(answer, answers[0], strict=True):
            np.testing.assert_array_equal(got, first, strict=True)


def refused(boards, secure, artifact):
    with (
        connect(boards, 2, secure) as cluster,
        pytest.raises(BoardUntrusted) as caught,
        cluster.deploy(artifact),
    ):
        pass
    assert caught.value.board in (0, 1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_hosts_and_boards_that_do_not_fit_are_told_why(
    boards, secure_boards, key, artifacts, tmp_path
):
    artifact, other = artifacts(2, "InH"), make_key(tmp_path / "other.key").path
    assert f"another one than that of '{other}'" in refused(secure_boards, other, artifact)
    assert "has a key and makes no plain link" in refused(secure_boards, None, artifact)
    assert "has no key: start it with 'flexpie board --psk FILE'" in refused(boards, key, artifact)


def test_a_board_whose_key_others_may_read_is_named(artifacts, key, tmp_path):
    readable = make_key(tmp_path / "psk.key").path
    readable.chmod(0o644)
    with local_boards(2, secure=readable) as own:
        said = refused(own, key, artifacts(2, "InH"))
    assert "cannot use its key" in said
    assert "chmod 600" in said


@pytest.fixture
def session(secure_boards, key):
    """A board with the native runtime."""
    with connect(secure_boards, 1, key) as cluster:
        (session,) = cluster.sessions
        session.load_once(native_library(os.uname().machine))
        yield session


@contextmanager
def proxied_echo(session, size, monkeypatch):
    """A link by way of a proxy, whose outputs are its inputs."""
    connect, proxies = socket.create_connection, []

    def by_proxy(address, *rest):
        proxies.append(Proxy(address[1], address[0]))
        return connect(("127.0.0.1", proxies[0].port), *rest)

    held = [tvm.nd.empty((size,), "uint8", session.remote.cpu(0))]
    with monkeypatch.context() as patched:
        patched.setattr(socket, "create_connection", by_proxy)
        link = HostLink(0, session, held, held, 10.0)
    with closing(link), closing(proxies[0]):
        yield link, proxies[0]


def random_bytes(size):
    return np.random.default_rng().integers(0, 256, size, dtype=np.uint8)


def test_nobody_hears_inputs_and_answers(session, monkeypatch):
    data = random_bytes(3 * MIB + 5)
    with proxied_echo(session, len(data), monkeypatch) as (link, proxy):
        link.scatter([data])
        np.testing.assert_array_equal(link.gather()[0], data)
        heard = bytes(proxy.heard)
    assert len(heard) > 2 * len(data)
    assert b"FXHL" not in heard
    assert not any(data[k : k + 8].tobytes() in heard for k in range(0, len(data), 100_000))


def flipped(record):
    changed = bytearray(record)
    changed[-1] ^= 128
    return bytes(changed)


def test_inputs_that_are_changed_are_found_by_the_board(session, monkeypatch):
    data = random_bytes(100_000)
    with proxied_echo(session, len(data), monkeypatch) as (link, proxy):
        proxy.change = flipped
        with pytest.raises(BOARD_FAILURES) as caught:
            link.scatter([data])
    error = board_error(0, caught.value)
    assert type(error) is BoardDamaged
    assert "the link of the host to board 0 is closed: something on it was changed" in str(error)


def test_answers_that_are_changed_are_found_by_the_host(session, monkeypatch):
    data = random_bytes(100_000)
    with proxied_echo(session, len(data), monkeypatch) as (link, proxy):
        link.scatter([data])
        proxy.change = flipped
        with pytest.raises(BoardDamaged, match="the encrypted link to board 0 is over"):
            link.gather()


def test_what_no_buffer_holds_goes_both_ways(session, monkeypatch):
    data = random_bytes(24 * MIB)
    held = [tvm.nd.empty(data.shape, "uint8", session.remote.cpu(0))]
    with closing(HostLink(0, session, held, held, 30.0)) as link:
        answer = link.infer_global([data], "runtime.GetDeviceAttr", 1, 0, 0)[0]
    np.testing.assert_array_equal(answer, data)


def test_a_board_that_is_killed_ends_all_the_same(artifacts, small_inputs, key):
    with local_boards(2, secure=key) as own, connect(own, 2, key) as cluster:
        deployment = cluster.deploy(artifacts(2, "InH"), 5.0)
        deployment.run(small_inputs)
        os.kill(board_process(cluster, 1), signal.SIGKILL)
        with pytest.raises(BoardError) as caught:
            deployment.run(small_inputs)
        deployment.close()
    assert caught.value.board == 1 or caught.value.peer == 1


def test_boards_that_are_taken_later_are_encrypted_as_well(secure_boards, key):
    with connect(secure_boards, 1, key) as cluster:
        (came,) = cluster.take(1)
        assert came.secure == read_key(key)


def test_a_key_is_its_owner_s_alone(tmp_path):
    key = make_key(tmp_path / "psk.key")
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600
    assert read_key(key.path) == key
    assert make_key(tmp_path / "other").id != key.id
    assert key.secret.hex() not in repr(key)
    with pytest.raises(InputError, match="is there already"):
        make_key(key.path)
    assert read_key(key.path) == key
    for mode in (0o640, 0o604, 0o620):
        key.path.chmod(mode)
        with pytest.raises(InputError, match="chmod 600"):
            read_key(key.path)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "xy" * 32, "00" * 32 + "\n\n"])
def test_what_is_no_key_is_refused(text, tmp_path):
    path = tmp_path / "psk.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"64 hex digits|larger than"):
        read_key(path)
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="cannot be read"):
            read_key(place)
