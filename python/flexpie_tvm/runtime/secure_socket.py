# SPDX-License-Identifier: Apache-2.0
"""The host's end of an encrypted link, and whether a board's end fits."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import BoardDamaged, BoardUntrusted
from .host_library import secure_library
from .link_key import VARIABLE, LinkKey, read_key
from .session import Session

# what the native runtime answers in place of bytes that it moved
WOULD_READ, WOULD_WRITE, CLOSED, TAMPERED = -1, -2, -3, -4
EVENTS = {WOULD_READ: select.POLLIN, WOULD_WRITE: select.POLLOUT}


class SecureSocket:
    """What `HostLink` uses of a socket, encrypted.

    Parameters
    ----------
    connection : socket.socket
        To a board, with a timeout.
    key : LinkKey
        The board has the same.
    rank : int
        The board's, for errors.
    """

    def __init__(self, connection: socket.socket, key: LinkKey, rank: int):
        self._library, self._connection, self._rank = secure_library(), connection, rank
        timeout = connection.gettimeout()
        self._patience = -1 if timeout is None else int(1000 * timeout)
        self._file = os.dup(connection.fileno())
        self._link = self._library.flexpie_secure_dial(self._file, key.secret)
        # not when it is closed: another thread may still be in a call
        weakref.finalize(self, self._library.flexpie_secure_free, self._link)

    def shake(self) -> None:
        """Prove to each other that both have the key.

        Raises
        ------
        BoardUntrusted
            If the board did not.
        TimeoutError
            If it is silent.
        """
        code = self._moved(lambda: self._library.flexpie_secure_shake(self._link))
        if code != 0:
            text = ctypes.create_string_buffer(256)
            self._library.flexpie_secure_trouble(self._link, text, len(text))
            raise BoardUntrusted(
                f"no encrypted link to board {self._rank}: {text.value.decode()}", self._rank
            )

    def sendmsg(self, parts: Sequence) -> int:
        """Send something of what is in some memory; returns how many bytes."""
        vector = _vector(parts)
        send = self._library.flexpie_secure_send
        code = self._moved(lambda: send(self._link, vector, len(vector)))
        if code == CLOSED:
            raise BrokenPipeError("the board closed the link")
        return self._checked(code)

    def recvmsg_into(self, parts: Sequence) -> tuple[int]:
        """Receive something into some memory; how many bytes, 0 at the end."""
        vector = _vector(parts)
        receive = self._library.flexpie_secure_recv
        code = self._moved(lambda: receive(self._link, vector, len(vector)))
        return (0 if code == CLOSED else self._checked(code),)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        while data:
            data = data[self.sendmsg([data]) :]

    def shutdown(self, how: int) -> None:
        """Wake who waits for the board."""
        self._connection.shutdown(how)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _moved(self, move: Callable[[], int]) -> int:
        """What a call answers that does not wait, once it has something to answer."""
        while (code := move()) in EVENTS:
            waiting = select.poll()
            waiting.register(self._file, EVENTS[code])
            if not waiting.poll(self._patience):
                raise TimeoutError("timed out")
        return code

    def _checked(self, code: int) -> int:
        if code == TAMPERED:
            raise BoardDamaged(
                f"the encrypted link to board {self._rank} is over: something on it was changed, "
                "repeated or left out on the way",
                self._rank,
            )
        if code < 0:
            raise OSError(None, f"the encrypted link to board {self._rank} failed")
        return code


class _Part(ctypes.Structure):
    """As the system's ``iovec``."""

    _fields_ = (("place", ctypes.c_void_p), ("size", ctypes.c_size_t))


def _vector(parts: Iterable) -> ctypes.Array:
    """Where some memory is, which must live as long as it is used."""
    views = [np.frombuffer(part, np.uint8) for part in parts]
    places = [(view.__array_interface__["data"][0], len(view)) for view in views]
    return (_Part * len(places))(*places)


def host_key(path: str | Path | None) -> LinkKey | None:
    """The key that this machine encrypts its links by; None if there shall be none.

    Raises
    ------
    InputError
        If the file holds none, or the native runtime of this machine was built without
        encryption.
    """
    if path is None:
        return None
    key = read_key(path)
    secure_library()
    return key


def check_key(rank: int, session: Session) -> None:
    """``BoardUntrusted`` unless host and board have the same key, or none.

    The board tells the id of its key, over TVM's RPC; the key itself stays where it is.
    """
    try:
        theirs = session.remote.get_function("flexpie.key_id")(rank)
    except AttributeError:  # a runtime of earlier versions was loaded there before
        theirs = ""
    key = session.secure
    if theirs == (key.id if key else ""):
        return
    if not theirs:
        reason = (
            f"board {rank} has no key: start it with 'flexpie board --psk FILE', or a stock "
            f"server with {VARIABLE}=FILE"
        )
    elif key is None:
        reason = f"board {rank} has a key and makes no plain link: give the same with --secure"
    else:
        reason = f"the key of board {rank} is another one than that of '{key.path}'"
    raise BoardUntrusted(reason, rank)
