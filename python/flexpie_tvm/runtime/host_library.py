# SPDX-License-Identifier: Apache-2.0
"""What the host's end of a link calls of the native runtime, in this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from .native import native_library


def host_library() -> ctypes.CDLL:
    """The native runtime of this machine, with the types of its plain C functions.

    Raises
    ------
    ClusterError
        If it was not built.
    """
    return _loaded(native_library(os.uname().machine))


@cache
def _loaded(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.flexpie_crc32c.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t]
    library.flexpie_crc32c.restype = ctypes.c_uint32
    return library


def secure_library() -> ctypes.CDLL:
    """`host_library`, with the types of what encrypts links.

    Raises
    ------
    InputError
        If it was built without encryption.
    """
    library = host_library()
    # a runtime of earlier versions has none of this
    if not hasattr(library, "flexpie_has_tls") or not library.flexpie_has_tls():
        raise InputError(
            "links cannot be encrypted: the native runtime of this machine was built without "
            "Mbed TLS; install libmbedtls-dev, then flexpie_tvm again"
        )
    library.flexpie_secure_dial.argtypes = [ctypes.c_int, ctypes.c_char_p]
    library.flexpie_secure_dial.restype = ctypes.c_void_p
    library.flexpie_secure_free.argtypes = [ctypes.c_void_p]
    library.flexpie_secure_free.restype = None
    library.flexpie_secure_shake.argtypes = [ctypes.c_void_p]
    library.flexpie_secure_shake.restype = ctypes.c_int64
    library.flexpie_secure_trouble.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.flexpie_secure_trouble.restype = None
    for move in (library.flexpie_secure_send, library.flexpie_secure_recv):
        move.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        move.restype = ctypes.c_int64
    return library


class Checksum:
    """CRC-32C, by the processor's own instruction where there is one.

    Raises
    ------
    ClusterError
        If the native runtime of this machine was not built.
    """

    def __init__(self):
        self._crc32c = host_library().flexpie_crc32c

    def of(self, parts: Iterable[memoryview | bytes | bytearray]) -> int:
        """The checksum of some memory, one piece after the other."""
        checksum = 0
        for part in parts:
            if len(part):
                place = np.frombuffer(part, np.uint8).__array_interface__["data"][0]
                checksum = self._crc32c(checksum, place, len(part))
        return checksum
