# SPDX-License-Identifier: Apache-2.0
"""A board gets a file once, and what it has is checked before it is used."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flexpie_tvm.runtime import Cluster, relative_error
from flexpie_tvm.runtime.board_files import BoardFiles, Content, content_of
from flexpie_tvm.runtime.upload import put, put_ahead
from flexpie_tvm.testing.faults import Fault, board_services, server_of, strike_server

MB = 1 << 20


def test_content_is_read_anew_when_a_file_is_another(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"123456789")
    first = content_of(file)
    assert first.crc32c == 0xE3069283  # the standard's check value
    assert first.sha256.startswith("15e2b0d3c33891eb")
    (tmp_path / "b").write_bytes(b"987654321")
    (tmp_path / "b").rename(file)
    assert content_of(file) != first


def test_files_used_longest_ago_go_first_and_those_in_use_stay():
    files, removed = BoardFiles(limit=10), []
    a, b, c = (Content(name, 0, 4) for name in "abc")
    for content in (a, b, c):
        files.add(content, content.sha256)
    files.use("a")
    files.shrink(removed.append)
    assert removed == []  # two are out of use
    files.let_go("a")
    assert files.find(b) == "b"
    files.use("a")
    files.use("b")  # again, but b after it
    files.let_go("a")
    files.let_go("b")
    files.shrink(removed.append)
    assert removed == ["c"]
    assert not files.has(c)
    assert not files.fits(replace(a, size=3))
    files.add(c, "c")
    files.use("c")
    assert files.find(c) is None  # a library in use is not loaded twice
    files.add(c, "another c")
    assert files.find(c) == "another c"
    files.forget("another c")
    assert files.has(c)
    assert files.fits(replace(a, size=2))


@pytest.fixture
def three(boards):
    """Boards of their own, as one of them is lost."""
    key = "files-of-boards"
    with board_services(boards, key, 3, 22300) as services:
        yield boards, key, services


def sent(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("sent ")]


def test_after_a_loss_boards_load_what_they_have(three, ready, small_inputs, small_answer, caplog):
    boards, key, services = three
    caplog.set_level(logging.DEBUG, "flexpie_tvm.runtime.upload")
    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(ready, 2.0, "replan") as deployment,
    ):
        assert len(sent(caplog)) > 3  # parts, and those of what runs after a loss
        before = len(sent(caplog))
        strike_server(Fault("kill session", "idle", 1, 0, 0),
                      server_of(cluster.sessions[1].port, services))  # fmt: skip
        (answer,) = deployment.run(small_inputs, on_board_lost="replan")
        assert relative_error(answer, small_answer) < 1e-5
        assert deployment.artifact.boards == 2
        assert len(sent(caplog)) == before  # nothing


def test_a_file_that_was_damaged_on_a_board_is_sent_again(
    three, ready, small_inputs, small_answer, caplog
):
    boards, key, services = three
    with (
        Cluster.connect((boards.host, boards.port), key, 3) as cluster,
        cluster.deploy(ready, 2.0, "replan") as deployment,
    ):
        for session in cluster.sessions:  # every library that is not loaded: one byte, or all
            place = Path(session.remote.get_function("tvm.rpc.server.workpath")(""))
            loaded = session.files._used
            files = [f for f in place.glob("board*.so") if f.name not in loaded]
            assert files
            for k, file in enumerate(files):
                if k:
                    file.unlink()
                else:
                    data = bytearray(file.read_bytes())
                    data[len(data) // 2] ^= 1
                    file.write_bytes(data)
        strike_server(Fault("kill session", "idle", 0, 0, 0),
                      server_of(cluster.sessions[0].port, services))  # fmt: skip
        (answer,) = deployment.run(small_inputs, on_board_lost="replan")
        assert relative_error(answer, small_answer) < 1e-5
    assert "is damaged there and is sent again" in caplog.text


def test_what_boards_keep_is_bounded(boards, tmp_path):
    """Five parts of different content, one after the other: the session's folder does not grow."""
    with Cluster.connect((boards.host, boards.port), boards.key, 1) as cluster:
        (session,) = cluster.sessions
        session.arch(["x86_64", "aarch64"])
        session.files = BoardFiles(limit=2 * MB + MB // 2)
        for k in range(5):
            file = tmp_path / f"board{k}.so"
            file.write_bytes(np.random.default_rng(k).bytes(MB))
            put(0, session, file, 5.0)
            session.files.shrink(session.remote.remove)
            put_ahead(0, session, tmp_path / "board0.so", 5.0)
        place = Path(session.remote.get_function("tvm.rpc.server.workpath")(""))
        assert len(list(place.glob("board*.so"))) == 2
