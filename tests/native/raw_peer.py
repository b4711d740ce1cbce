# SPDX-License-Identifier: Apache-2.0
"""A board's peer played by a plain socket: says what a test wants said, right or wrong."""

import json
import socket
import struct
import threading

import numpy as np

from .boards import TOKEN, TensorExchange, create_board, flexpie_error, run_exchange, table

HELLO_MAGIC = b"FXPH"
HEADER_MAGIC = b"FX"
VERSION = 6
HALF = 1000
X = np.arange(HALF, dtype="float32")


def hello(sender, receiver, token=TOKEN, version=VERSION, magic=HELLO_MAGIC):
    return magic + struct.pack("<III", version, sender, receiver) + bytes.fromhex(token)


def header(exchange, frame, length, magic=HEADER_MAGIC, source=1, target=0):
    return magic + struct.pack("<BBIII", source, target, exchange, frame, length)


def crc32c(data):
    """CRC-32C bit by bit, as RFC 3720 has it."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def payload(data):
    """Bytes and the trailer that follows them."""
    return data + struct.pack("<I", crc32c(data))


def dial(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read(sock, count):
    """Exactly count bytes, or fewer if the other side closed."""
    data = b""
    while len(data) < count:
        try:
            piece = sock.recv(count - len(data))
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    return data


def is_closed(sock):
    """Waits for the other side to close, as it must without having said anything."""
    return read(sock, 1) == b""


class Async:
    """A call on a thread of its own; join() gives its result or raises its error."""

    def __init__(self, function, *args):
        self._outcome = None
        self._thread = threading.Thread(target=self._run, args=(function, *args), daemon=True)
        self._thread.start()

    def _run(self, function, *args):
        try:
            self._outcome = (function(*args), None)
        except Exception as error:
            self._outcome = (None, error)

    def join(self):
        self._thread.join(60)
        assert self._outcome is not None, "a board hangs"
        if self._outcome[1] is not None:
            raise self._outcome[1]
        return self._outcome[0]

    def error(self):
        """The FLEXPIE_ERROR that the call must end with, and its sentence."""
        try:
            self.join()
        except Exception as error:
            return flexpie_error(error)
        raise AssertionError("no error was raised")


class Lonely:
    """Board 0 of two; board 1 is the test. Each holds one half of a row of 2 * half floats."""

    def __init__(self, half=1000, deadline_ms=20000):
        self.half = half
        self.ins = [[[0, half]], [[half, 2 * half]]]
        full = [[0, 2 * half]]
        exchange = TensorExchange(self.ins, [full, full], name="conv1:0", layer="conv1")
        self.board = create_board(0, 2, table(0, 2, [exchange]), deadline_ms)
        self.full = full
        self.port = self.board["listen"]("127.0.0.1", 0)

    def start_connect(self):
        peers = [{"rank": 0, "host": "127.0.0.1", "port": self.port}]
        peers.append({"rank": 1, "host": "127.0.0.1", "port": 1})
        return Async(self.board["connect"], json.dumps(peers), TOKEN)

    def greet(self):
        """Connects as the right board 1."""
        connecting = self.start_connect()
        sock = dial(self.port)
        sock.sendall(hello(1, 0))
        assert read(sock, 32) == hello(0, 1)
        connecting.join()
        return sock

    def start_exchange(self, x):
        return Async(run_exchange, 0, 0, x, self.full)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.board["close"]()


def full_row():
    return TensorExchange(
        [[[0, HALF]], [[HALF, 2 * HALF]]], [[[0, 2 * HALF]]] * 2, name="conv1:0", layer='conv "1"'
    )


def place(content):
    return (
        content["board"],
        content["peer"],
        content["exchange"],
        content["tensor"],
        content["layer"],
    )
