# SPDX-License-Identifier: Apache-2.0
"""Ask a TVM RPC tracker whether it lists a board."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence

#: A tracker's answer takes no longer.
SECONDS = 2.0
#: Of TVM's protocol, see tvm/rpc/base.py.
MAGIC, SUMMARY = 0x2F271, 6
#: Bytes of a list at most.
MOST = 16 << 20


def is_listed(
    tracker: tuple[str, int], key: str, port: int, addresses: Sequence[str] = ()
) -> bool | None:
    """Whether a tracker lists a server of this machine.

    Parameters
    ----------
    tracker : (str, int)
        Where it is.
    key : str
        Under which the server registered.
    port : int
        That it listens on.
    addresses : sequence of str
        Of this machine, beside those of its interfaces.

    Returns
    -------
    bool or None
        None if the tracker does not answer.
    """
    try:
        servers = _listed(tracker)
        return any(
            server["key"] == f"server:{key}"
            and int(server["addr"][1]) == port
            and (server["addr"][0] in addresses or _is_own(server["addr"][0]))
            for server in servers
        )
    except (OSError, ValueError, LookupError, TypeError):  # of whatever is no tracker, too
        return None


def _listed(tracker: tuple[str, int]) -> list[dict]:
    with socket.create_connection(tracker, timeout=SECONDS) as sock:
        magic = struct.pack("<i", MAGIC)
        sock.sendall(magic)
        if _received(sock, 4) != magic:
            raise ValueError("it is not a TVM RPC tracker")
        question = json.dumps([SUMMARY]).encode()
        sock.sendall(struct.pack("<i", len(question)) + question)
        (size,) = struct.unpack("<i", _received(sock, 4))
        if not 0 <= size <= MOST:
            raise ValueError("its list is too long")
        return json.loads(_received(sock, size))[1]["server_info"]


def _received(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError("it hung up")
        data += part
    return bytes(data)


def _is_own(address: str) -> bool:
    """Whether an address of the tracker's list is of this machine."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))  # an address of another machine cannot be bound
        return True
    except OSError:
        return False
