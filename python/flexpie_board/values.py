# SPDX-License-Identifier: Apache-2.0
"""Values as users write them; ``ValueError`` with one clear sentence if they are none."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

#: Where a board's server finds the name of its key's file; see key_file.h.
KEY_VARIABLE = "FLEXPIE_PSK_FILE"
KEY_BYTES = 32
UNITS = {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def host_and_port(text: str) -> tuple[str, int]:
    """Host and port from ``HOST:PORT``."""
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"tracker '{text}' is not HOST:PORT, such as 192.168.1.10:9190")
    return host, int(port)


def size_in_bytes(text: str) -> int:
    """Bytes from ``512MB``, ``2GiB`` or a plain number."""
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kMG]?B|[KMG]iB|)\s*", text, re.ASCII)
    if not match:
        raise ValueError(f"memory '{text}' is not one such as 512MB or 2GiB")
    return int(float(match[1]) * UNITS[match[2]])


def link_secret(path: str | Path) -> bytes:
    """The key of a file, which nobody but its owner may read or write."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(None, "it is no regular file")
        with open(path, "rb") as file:
            text = file.read(2 * KEY_BYTES + 2)
    except OSError as error:
        raise ValueError(f"key '{path}' cannot be read: {error.strerror or error}") from None
    if mode & 0o077:
        raise ValueError(f"others may read or write key '{path}': chmod 600 it, or make a new one")
    if not re.fullmatch(rb"[0-9a-fA-F]{64}\n?", text):
        raise ValueError(f"key '{path}' does not hold 64 hex digits, as 'flexpie key' writes them")
    return bytes.fromhex(text.decode())
