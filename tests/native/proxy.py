# SPDX-License-Identifier: Apache-2.0
"""Somebody between two ends of a link, who hears all and may change it."""

import contextlib
import socket
import threading
from socket import create_connection  # as it is, where a test leads others here

RECORD_HEADER = 5
APPLICATION_DATA = 23


class Proxy:
    """Passes on what comes to its port, and keeps it.

    Its ``change`` gets each TLS record of application data and gives the bytes that go on in its
    place; None lets everything pass as it is.
    """

    def __init__(self, port, host="127.0.0.1"):
        self._to, self.heard, self.change = (host, port), bytearray(), None
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self._sockets, self._lock = [], threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self._listener.accept()
                try:
                    there = create_connection(self._to, 20)
                except OSError:
                    guest.close()
                    continue
                self._sockets += [guest, there]
                for source, target in ((guest, there), (there, guest)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source, target):
        waiting = b""
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self._lock:
                    self.heard += data
                waiting, ready = self._split(waiting + data)
                target.sendall(ready)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _split(self, data):
        """What waits for the rest of its record, and what goes on."""
        if self.change is None:
            return b"", data
        ready = b""
        while len(data) >= RECORD_HEADER:
            size = RECORD_HEADER + int.from_bytes(data[3:5], "big")
            if len(data) < size:
                break
            record, data = data[:size], data[size:]
            ready += self.change(record) if record[0] == APPLICATION_DATA else record
        return data, ready

    def close(self):
        for sock in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
