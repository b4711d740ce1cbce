# SPDX-License-Identifier: Apache-2.0
"""Boards to measure on: local ones on loopback, or a testbed's with shaped links."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...plan import ClusterSpec
from ...runtime.local import local_boards, local_server
from ...runtime.onnxruntime_board import SERVER
from ..testbed import TestbedOptions, add_server, testbed


@dataclass(frozen=True)
class Bed:
    """Boards that are up.

    Parameters
    ----------
    name : str
        What they are, for the table.
    host, port, key : str, int, str
        Their tracker.
    onnxruntime_key : str
        Key of the board that runs onnxruntime; it has the core share of one board.
    rates : sequence of float
        Measured bits per second of the shaped links; empty where links are not shaped.
    secure : str or Path, optional
        File of the key that encrypts the links.
    """

    name: str
    host: str
    port: int
    key: str
    onnxruntime_key: str
    rates: Sequence[float] = ()
    secure: str | Path | None = None


@contextmanager
def local_bed(cluster: ClusterSpec, secure: Path | None = None) -> Iterator[Bed]:
    """Boards on loopback: links are as fast as memory, boards share the machine's cores."""
    key = _key()
    with (
        local_boards(cluster.boards, secure=secure) as local,
        local_server(SERVER, (local.host, local.port), key, secure=secure),
    ):
        name = f"local boards{_links(secure)}"
        yield Bed(name, local.host, local.port, local.key, key, secure=secure)


@contextmanager
def shaped_bed(options: TestbedOptions) -> Iterator[Bed]:
    """A testbed: every board has its own core share and link; onnxruntime has board 0's.

    Raises
    ------
    ClusterError
        If it cannot be brought up.
    """
    key = _key()
    with testbed(options) as bed:
        add_server(bed, 0, SERVER, key)
        quotas = sorted({share.quota for share in options.shares}, reverse=True)
        cores = " and ".join(f"{quota:g}" for quota in quotas)
        secure = options.secure or None
        name = f"testbed, {cores} core{'' if cores == '1' else 's'} a board{_links(secure)}"
        yield Bed(name, bed.host, bed.port, bed.key, key, tuple(bed.rates.values()), secure)


def _links(secure: str | Path | None) -> str:
    return "" if secure is None else ", encrypted links"


def _key() -> str:
    return f"onnxruntime-{secrets.token_hex(4)}"
