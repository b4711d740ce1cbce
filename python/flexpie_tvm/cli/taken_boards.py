# SPDX-License-Identifier: Apache-2.0
"""The boards that a command's options name: started here, or a tracker's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from ..errors import InputError
from ..runtime import Cluster, beside_local_boards, local_boards
from ..runtime.session import Session


class Where(Protocol):
    """Options that tell where boards are."""

    @property
    def local(self) -> bool:
        """Whether they are started here."""

    @property
    def tracker(self) -> str | None:
        """Else the tracker's address."""

    @property
    def key(self) -> str | None:
        """And the key of the boards there."""

    @property
    def threads(self) -> int:
        """Of each local board."""

    @property
    def secure(self) -> Path | None:
        """File of the key that encrypts links."""


secure_option = click.option(
    "--secure",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Encrypt links by this key of 'flexpie key'; the boards have the same.",
)


@dataclass(frozen=True)
class Boards:
    """Boards that are ours.

    Parameters
    ----------
    cluster : Cluster
        The boards.
    onnxruntime : callable
        Where onnxruntime is asked for, beside the board of a session.
    """

    cluster: Cluster
    onnxruntime: Callable[[Session], AbstractContextManager[Session]]


def check_where(local: bool, tracker: str | None, key: str | None) -> None:
    """``InputError`` unless the boards are either local or a tracker's."""
    if local == (tracker is not None):
        raise InputError("give either --local or --tracker HOST:PORT with --key")
    if tracker is not None and not key:
        raise InputError("--tracker needs the boards' key: give --key")


@contextmanager
def boards_for(run: Where, boards: int) -> Iterator[Boards]:
    """Local boards or a tracker's, given back on leaving."""
    if run.local:
        with (
            local_boards(boards, run.threads, run.secure) as local,
            Cluster.connect((local.host, local.port), local.key, boards, run.secure) as cluster,
        ):
            yield Boards(cluster, lambda _: beside_local_boards(local, run.threads))
    else:
        with Cluster.connect(run.tracker, run.key, boards, run.secure) as cluster:
            yield Boards(cluster, nullcontext)  # its own server may know onnxruntime
