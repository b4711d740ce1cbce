# SPDX-License-Identifier: Apache-2.0
"""A bit that changes on the way between two boards is an error with a name, never an answer."""

import json
import re
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import tvm

from .boards import (
    TOKEN,
    TensorExchange,
    create_board,
    flexpie_error,
    on_threads,
    raise_any,
    run_exchange,
    table,
)
from .raw_peer import HALF, Lonely, X, crc32c, header, payload, place

HELLO, HEADER = 32, 16


@pytest.mark.parametrize("by", ["processor", "tables"])
@pytest.mark.parametrize("size", [1, 7, 8, 9, 255, 768, 775, 1536, 12288, 12289, 40000])
def test_checksum_is_the_standards(by, size):
    """Against one that goes bit by bit; also in two parts."""
    data = np.random.default_rng(size).integers(0, 256, size, dtype="uint8")
    checksum = tvm.get_global_func("flexpie.crc32c")
    first = checksum(tvm.nd.array(data[: size // 3]), 0, by) if size // 3 else 0
    assert checksum(tvm.nd.array(data[size // 3 :]), first, by) == crc32c(data.tobytes())


def test_the_processors_instruction_is_used_where_there_is_one():
    flags = re.findall(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    has = flags and not {"sse4_2", "crc32"}.isdisjoint(flags[0].split())
    assert tvm.get_global_func("flexpie.has_crc32c")() == has


def test_checksum_of_the_standards_example():
    data = tvm.nd.array(np.frombuffer(b"123456789", "uint8"))
    for by in ("processor", "tables"):
        assert tvm.get_global_func("flexpie.crc32c")(data, 0, by) == 0xE3069283


@pytest.mark.parametrize("bit", [0, 7, 8 * 1999 + 3, 8 * 4000 - 1, 8 * 4000, 8 * 4004 - 1])
def test_one_wrong_bit_of_payload_or_trailer(bit):
    with Lonely(HALF) as lonely, lonely.greet() as sock:
        body = bytearray(payload((X + HALF).tobytes()))
        body[bit // 8] ^= 1 << bit % 8
        sock.sendall(header(0, 0, 4 * HALF) + body)
        content, text = lonely.start_exchange(X).error()
        assert content["kind"] == "damaged"
        assert place(content) == (0, 1, 0, "conv1:0", "conv1")
        assert "4000 bytes from board 1 came damaged" in text


class Wire:
    """Listens in place of a board and hands everything on, one bit of it changed."""

    def __init__(self, port, flip_at):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._to, self._flip_at = port, flip_at
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        far = socket.create_connection(("127.0.0.1", self._to))
        with self._server, self._server.accept()[0] as near, far:
            back = threading.Thread(target=self._pass_on, args=(far, near, -1), daemon=True)
            back.start()
            self._pass_on(near, far, self._flip_at)
            back.join()

    @staticmethod
    def _pass_on(source, target, flip_at):
        at = 0
        try:
            while data := bytearray(source.recv(1 << 16)):
                if at <= flip_at < at + len(data):
                    data[flip_at - at] ^= 0x80
                at += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            target.close()


def run_over(flip_at, columns, owner=1, boards=2):
    """The owner's row goes to board 0, on its last link over a wire that changes a bit.

    Of a ring of 4, board 2's row goes by way of board 3. Returns board 0's answer, or error,
    and the row.
    """
    box = [[0, columns], [0, 16]]
    ins, outs = [None] * boards, [None] * boards
    ins[owner] = outs[0] = box
    exchange, topology = TensorExchange(ins, outs, layer="conv1"), "ring" if boards > 2 else "mesh"
    made = [
        create_board(rank, boards, table(rank, boards, [exchange], topology))
        for rank in range(boards)
    ]
    row = np.random.default_rng(7).standard_normal((columns, 16)).astype("float32")
    try:
        ports = [board["listen"]("127.0.0.1", 0) for board in made]
        peers = [{"rank": r, "host": "127.0.0.1", "port": port} for r, port in enumerate(ports)]
        wire = Wire(ports[0], flip_at)
        # higher ranks dial lower ones; the last board's way to board 0 is the wire
        by_wire = [{**peers[0], "port": wire.port}, *peers[1:]]
        known = [*[peers] * (boards - 1), by_wire]
        dials = [
            lambda b=board, p=all_peers: b["connect"](json.dumps(p), TOKEN)
            for board, all_peers in zip(made, known, strict=True)
        ]
        raise_any(on_threads(*dials))
        part = [0, owner, *range(owner + 1, boards)]
        runs = [lambda r=r: run_exchange(r, 0, row if ins[r] else None, outs[r]) for r in part]
        return on_threads(*runs)[0], row
    finally:
        for board in made:
            board["close"]()


@pytest.mark.parametrize("columns", [10, 20000])  # one window, and several reads
@pytest.mark.parametrize("where", ["first", "middle", "last", "trailer"])
def test_a_proxy_that_flips_a_bit_between_two_boards(columns, where):
    size = columns * 16 * 4
    at = {"first": 0, "middle": size // 2 + 3, "last": size - 1, "trailer": size + 3}[where]
    content, text = flexpie_error(run_over(HELLO + HEADER + at, columns)[0])
    assert content["kind"] == "damaged"
    assert (content["board"], content["peer"], content["exchange"]) == (0, 1, 0)
    assert content["layer"] == "conv1"
    assert f"{size} bytes from board 1 came damaged" in text


def test_what_was_passed_on_is_checked_by_whom_it_is_for():
    result, _ = run_over(HELLO + HEADER + 700000, 20000, owner=2, boards=4)
    content, text = flexpie_error(result)
    assert (content["kind"], content["board"], content["peer"]) == ("damaged", 0, 3)
    assert "from board 2 by way of board 3 came damaged" in text


def test_a_proxy_that_flips_a_bit_of_the_header():
    content, _ = flexpie_error(run_over(HELLO + 5, 10)[0])
    assert (content["kind"], content["peer"]) == ("desync", 1)


@pytest.mark.parametrize(("owner", "boards"), [(1, 2), (2, 4)])
def test_a_proxy_that_leaves_the_bytes_alone(owner, boards):
    result, row = run_over(10**9, 20000, owner, boards)
    np.testing.assert_array_equal(result, row)
