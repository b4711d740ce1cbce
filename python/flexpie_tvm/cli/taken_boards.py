# SPDX-License-Identifier: Apache-2.0
"""The boards that a command's options name: started here, or a tracker's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

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
            local_boards(boards, run.threads) as local,
            Cluster.connect((local.host, local.port), local.key, boards) as cluster,
        ):
            yield Boards(cluster, lambda _: beside_local_boards(local, run.threads))
    else:
        with Cluster.connect(run.tracker, run.key, boards) as cluster:
            yield Boards(cluster, nullcontext)  # its own server may know onnxruntime
