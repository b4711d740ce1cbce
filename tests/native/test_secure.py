# SPDX-License-Identifier: Apache-2.0
"""Encrypted links: the same answers; nothing heard, nothing changed, nobody in without the key."""

import contextlib
import ctypes
import json
import os
import re

import numpy as np
import pytest

from .boards import (
    TOKEN,
    Cluster,
    TensorExchange,
    create_board,
    flexpie_error,
    on_threads,
    raise_any,
    run_exchange,
    table,
)
from .keys import ENVIRONMENT, write_key
from .proxy import Proxy
from .raw_peer import dial, hello

WIDTH = 20_000
FULL = [[0, 2], [0, WIDTH]]
HALVES = [[[0, 1], [0, WIDTH]], [[1, 2], [0, WIDTH]]]
ROW = TensorExchange(HALVES, [FULL, FULL], name="conv1:0", layer="conv1")


@pytest.fixture(autouse=True)
def can_encrypt(runtime_lib):
    """These tests must not pass by not being run: a runtime without encryption fails them."""
    assert ctypes.CDLL(str(runtime_lib)).flexpie_has_tls() == 1


@pytest.fixture
def key(tmp_path, monkeypatch):
    """A key for all boards of this process."""
    path = write_key(tmp_path / "psk.key")
    monkeypatch.setenv(ENVIRONMENT, str(path))
    return path


class Pair:
    """Two boards; the second one dials the first by way of a proxy."""

    def __init__(self, monkeypatch, keys=(None, None), deadline_ms=20000):
        self.boards = []
        for rank, path in enumerate(keys):
            if path is not None:
                monkeypatch.setenv(ENVIRONMENT, str(path))
            else:
                monkeypatch.delenv(ENVIRONMENT, raising=False)
            self.boards.append(create_board(rank, 2, table(rank, 2, [ROW]), deadline_ms))
        self.proxy = Proxy(self.boards[0]["listen"]("127.0.0.1", 0))

    def connect(self):
        peers = [{"rank": r, "host": "127.0.0.1", "port": self.proxy.port} for r in range(2)]
        text = json.dumps(peers)
        return on_threads(*[lambda b=board: b["connect"](text, TOKEN) for board in self.boards])

    def exchange(self, values):
        return on_threads(
            *[lambda r=r: run_exchange(r, 0, values[r : r + 1], FULL) for r in range(2)]
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for board in self.boards:
            board["close"]()
        self.proxy.close()


def random_rows():
    return np.random.default_rng().standard_normal((2, WIDTH)).astype("float32")


@pytest.mark.parametrize("topology", ["mesh", "ring"])
def test_all_boards_get_the_same_bits_as_over_plain_links(topology, key, monkeypatch):
    """Few bytes, runs of few bytes, and more than sockets hold, over forwarding links, too."""
    exchanges, whole = [], []
    for shape in ((4, 3), (24, 4000), (8, 300_000)):
        rows = [[r * shape[0] // 4, (r + 1) * shape[0] // 4] for r in range(4)]
        columns = [[r * shape[1] // 4, (r + 1) * shape[1] // 4] for r in range(4)]
        ins = [[row, [0, shape[1]]] for row in rows]
        outs = [[[0, shape[0]], column] for column in columns]
        if shape[1] >= 4:
            exchanges.append(TensorExchange(ins, outs, "int8"))
            whole.append(np.random.default_rng().integers(-128, 128, shape).astype("int8"))
    answers = {}
    for secure in (True, False):
        if not secure:
            monkeypatch.delenv(ENVIRONMENT)
        with Cluster("tcp", exchanges, 4, topology=topology) as cluster:
            for number, (e, values) in enumerate(zip(exchanges, whole, strict=True)):
                inputs = [values[tuple(slice(*a) for a in box)] for box in e.ins]
                got = raise_any(
                    cluster.on_boards(
                        lambda r, n=number, given=inputs: cluster.exchange(r, n, given[r])
                    )
                )
                for box, one in zip(e.outs, got, strict=True):
                    np.testing.assert_array_equal(one, values[tuple(slice(*a) for a in box)])
                answers[secure, number] = [one.tobytes() for one in got]
    for number in range(len(exchanges)):
        assert answers[True, number] == answers[False, number]


def test_delayed_links_can_be_encrypted(key, monkeypatch):
    monkeypatch.setenv("FLEXPIE_LINK_LATENCY_US", "3000")
    values = random_rows()
    with Pair(monkeypatch, (key, key)) as pair:
        raise_any(pair.connect())
        for got in raise_any(pair.exchange(values)):
            np.testing.assert_array_equal(got, values)


def test_nobody_between_boards_hears_what_they_say(key, monkeypatch):
    values = random_rows()
    heard = {}
    for secure in (True, False):
        with Pair(monkeypatch, (key, key) if secure else (None, None)) as pair:
            raise_any(pair.connect())
            raise_any(pair.exchange(values))
            heard[secure] = bytes(pair.proxy.heard)
    said = [bytes.fromhex(TOKEN), b"FXPH", *(row.tobytes()[k : k + 8] for row in values for k in
                                              range(0, 4 * WIDTH, 800))]  # fmt: skip
    assert all(piece in heard[False] for piece in said)
    assert not any(piece in heard[True] for piece in said)
    assert len(heard[True]) > values.nbytes


def test_no_two_connections_are_encrypted_alike(key, monkeypatch):
    values, heard = random_rows(), []
    for _ in range(2):
        with Pair(monkeypatch, (key, key)) as pair:
            raise_any(pair.connect())
            raise_any(pair.exchange(values))
            heard.append(bytes(pair.proxy.heard)[-16000:])
    pieces = [heard[0][k : k + 8] for k in range(0, 16000 - 8, 8)]
    assert not any(piece in heard[1] for piece in pieces)


def connect_errors(pair):
    return [flexpie_error(error) for error in pair.connect()]


def test_boards_with_different_keys_do_not_connect(tmp_path, monkeypatch):
    keys = [write_key(tmp_path / name) for name in ("one", "other")]
    with Pair(monkeypatch, keys, deadline_ms=700) as pair:
        (low, low_text), (high, high_text) = connect_errors(pair)
    assert (low["kind"], low["board"], low["peer"]) == ("untrusted", 0, 1)
    assert (high["kind"], high["board"], high["peer"]) == ("untrusted", 1, 0)
    assert "its key is another one" in low_text
    assert re.search("its key is another one|no key, or another one", high_text)
    for path in keys:
        assert path.read_text().strip() not in low_text + high_text


@pytest.mark.parametrize("rank", [0, 1])
def test_a_board_with_a_key_takes_no_plain_link(rank, tmp_path, monkeypatch):
    keys = [None, None]
    keys[rank] = write_key(tmp_path / "psk.key")
    with Pair(monkeypatch, keys, deadline_ms=700) as pair:
        errors = connect_errors(pair)
        assert bytes.fromhex(TOKEN) not in bytes(pair.proxy.heard) or rank == 0
    content, text = errors[rank]
    assert (content["kind"], content["board"], content["peer"]) == ("untrusted", rank, 1 - rank)
    assert "it may have no key" in text


def flipped(record):
    changed = bytearray(record)
    changed[len(record) // 2] ^= 1
    return bytes(changed)


class Once:
    """Changes one record, and lets what comes before and after it pass."""

    def __init__(self, change, skip=1):
        self._change, self._left = change, skip

    def __call__(self, record):
        self._left -= 1
        return self._change(record) if self._left == -1 else record


@pytest.mark.parametrize(
    "change",
    [flipped, lambda r: r + r, lambda r: b"", lambda r: r[:3] + b"\xff\xff" + r[5:]],
    ids=["flipped", "repeated", "left out", "length"],
)
def test_what_is_changed_on_the_way_is_found_by_a_board_that_names_the_link(
    change, key, monkeypatch
):
    values = random_rows()
    with Pair(monkeypatch, (key, key)) as pair:
        raise_any(pair.connect())
        pair.proxy.change = lambda record: record
        for got in raise_any(pair.exchange(values)):
            np.testing.assert_array_equal(got, values)
        pair.proxy.change = Once(change)
        ended = pair.exchange(values)
    contents = [flexpie_error(e)[0] for e in ended if isinstance(e, Exception)]
    assert "damaged" in {content["kind"] for content in contents}
    for content in contents:
        assert content["kind"] in ("damaged", "lost_board")
        assert content["peer"] == 1 - content["board"]
        assert (content["tensor"], content["layer"]) == ("conv1:0", "conv1")
    for rank, got in enumerate(ended):  # what was said to come is what came
        if not isinstance(got, Exception):
            np.testing.assert_array_equal(got, values, err_msg=f"board {rank}")


def test_a_connection_that_was_recorded_cannot_be_played_again(key, monkeypatch):
    with Pair(monkeypatch, (key, key), deadline_ms=700) as pair:
        raise_any(pair.connect())
        heard = bytes(pair.proxy.heard)
    alone = create_board(0, 2, table(0, 2, [ROW]), 700)
    port = alone["listen"]("127.0.0.1", 0)

    def play():
        with dial(port) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(heard)
            while sock.recv(1 << 12):
                pass

    peers = json.dumps([{"rank": r, "host": "127.0.0.1", "port": port} for r in range(2)])
    ended, _ = on_threads(lambda: alone["connect"](peers, TOKEN), play)
    assert flexpie_error(ended)[0]["kind"] == "untrusted"
    alone["close"]()


@pytest.mark.parametrize("said", [hello(1, 0), b"\x16\x03\x01\x40\x00" + os.urandom(3000), b"\x80"])
def test_strangers_do_not_keep_the_right_peer_out(said, key, monkeypatch):
    values = random_rows()
    with Pair(monkeypatch, (key, key)) as pair:
        strangers = [dial(pair.proxy.port) for _ in range(3)]
        for stranger in strangers:
            stranger.sendall(said)
        raise_any(pair.connect())
        for got in raise_any(pair.exchange(values)):
            np.testing.assert_array_equal(got, values)
    for stranger in strangers:
        with contextlib.suppress(TimeoutError, ConnectionError):
            while stranger.recv(1 << 12):
                pass
        stranger.close()


def test_a_board_that_ends_is_lost_to_its_peer(key, monkeypatch):
    with Pair(monkeypatch, (key, key)) as pair:
        raise_any(pair.connect())
        ended, _ = on_threads(
            lambda: run_exchange(0, 0, random_rows()[:1], FULL), lambda: pair.boards[1]["close"]()
        )
    content, _ = flexpie_error(ended)
    assert (content["kind"], content["board"], content["peer"]) == ("lost_board", 0, 1)
