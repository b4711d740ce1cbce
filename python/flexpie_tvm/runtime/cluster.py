# SPDX-License-Identifier: Apache-2.0
"""Boards taken from a TVM RPC tracker."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakSet

from flexpie_board.values import host_and_port

from ..codegen import BuildCache
from ..cost import Cost
from ..errors import ClusterError
from .artifact import Artifact
from .deployed_boards import UPLOAD_BYTES
from .deployment import Deployment
from .link_key import LinkKey
from .native import native_library, target_arch
from .replanner import Replanner
from .secure_socket import host_key
from .session import Session
from .tracker import board_archs, free_boards, request_boards


class Cluster:
    """Boards that are ours until we close them.

    Parameters
    ----------
    sessions : list of Session
        The boards, in rank order.
    source : (str, int, str), optional
        Host and port of the tracker that more of them come from, and their key.
    secure : LinkKey, optional
        What encrypts links; the boards have the same.
    """

    def __init__(
        self,
        sessions: list[Session],
        source: tuple[str, int, str] | None = None,
        secure: LinkKey | None = None,
    ):
        self._sessions, self._source, self._secure = sessions, source, secure
        for session in sessions:
            session.secure = secure
        self._changing, self._closed = threading.Lock(), False
        self._deployments: WeakSet[Deployment] = WeakSet()

    @classmethod
    def connect(
        cls,
        tracker: tuple[str, int] | str,
        key: str,
        boards: int,
        secure: str | Path | None = None,
    ) -> Cluster:
        """Take boards from a tracker.

        Parameters
        ----------
        tracker : (str, int) or str
            Host and port, or ``host:port``.
        key : str
            The key under which the boards registered.
        boards : int
            How many to take.
        secure : str or Path, optional
            File of the key that encrypts all links between them and to them, which they have,
            too. It is not sent to them. TVM's RPC stays as it is.

        Returns
        -------
        cluster : Cluster
            The boards in the order in which the tracker gave them; it ends their sessions when it
            is closed.

        Raises
        ------
        ClusterError
            If the tracker cannot be reached or has too few free boards.
        InputError
            If the file holds no key, or this machine cannot encrypt.
        """
        host, port = parse_tracker(tracker) if isinstance(tracker, str) else tracker
        if boards < 1:
            raise ClusterError(f"{boards} boards asked for: give 1 or more")
        known = host_key(secure)
        return cls(request_boards(host, port, key, boards), (host, port, key), known)

    @property
    def boards(self) -> int:
        """Number of boards."""
        return len(self._sessions)

    @property
    def sessions(self) -> list[Session]:
        """The boards' RPC sessions, in rank order."""
        return list(self._sessions)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def deploy(
        self,
        artifact: Artifact,
        deadline: float = 30.0,
        on_board_lost: str = "raise",
        cost: Cost | None = None,
        cache: BuildCache | None = None,
    ) -> Deployment:
        """Upload an artifact and link its boards.

        If the artifact is for boards of several architectures, every rank goes to the first
        board of its architecture that is left.

        Parameters
        ----------
        artifact : Artifact
            For at most as many boards as the cluster has.
        deadline : float
            Seconds that a board waits for another.
        on_board_lost : {"raise", "replan"}
            With ``replan`` a board that is lost meanwhile is done without, as `Deployment.run`
            does it.
        cost : Cost, optional
            Predicts milliseconds for plans that are made while it runs; by default `Analytic`.
        cache : BuildCache, optional
            Where their kernels are looked for and kept; by default each deployment has its own.

        Returns
        -------
        deployment : Deployment
            Ready to run; it is closed with the cluster.

        Raises
        ------
        BoardError
            If a board cannot be set up; with ``replan`` if none is left.
        ClusterError
            If the artifact needs more boards, or more of an architecture.
        """
        if artifact.boards > self.boards:
            raise ClusterError(
                f"the artifact needs {artifact.boards} boards, {self.boards} are here"
            )
        sessions = [] if on_board_lost == "replan" else self._fitting(artifact, deadline)
        deployment = Deployment(
            artifact, sessions, deadline, self, on_board_lost, Replanner(artifact, cost, cache)
        )
        self._deployments.add(deployment)
        return deployment

    def _fitting(self, artifact: Artifact, deadline: float) -> list[Session]:
        """A board for each rank of an artifact."""
        wanted = [target_arch(target) for target in artifact.targets]
        archs = sorted(set(wanted))
        uploads = sum(native_library(arch).stat().st_size for arch in archs) / UPLOAD_BYTES
        have = board_archs(self._sessions, archs, deadline + uploads)
        return [self._sessions[k] for k in matched(wanted, have)]

    def drop(self, session: Session) -> None:
        """Give up a board: end its session, whatever state it is in.

        Parameters
        ----------
        session : Session
            The board's; of another cluster it is ended all the same.
        """
        with self._changing:
            if session in self._sessions:
                self._sessions.remove(session)
        session.end()

    def take(self, most: int) -> list[Session]:
        """Take boards that are free now.

        Parameters
        ----------
        most : int
            How many at most.

        Returns
        -------
        sessions : list of Session
            Those that came, which are the cluster's from now on.

        Raises
        ------
        ClusterError
            If the tracker cannot be reached or a board does not answer.
        """
        if self._source is None:
            return []
        free = min(most, free_boards(*self._source))
        came = request_boards(*self._source, free, wait=0.0) if free > 0 else []
        for session in came:
            session.secure = self._secure
        with self._changing:
            if not self._closed:
                self._sessions.extend(came)
                return came
        for session in came:
            session.end()
        return []

    def close(self) -> None:
        """End the deployments and give the boards back to the tracker."""
        for deployment in list(self._deployments):
            deployment.close()
        with self._changing:
            self._closed = True
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.end()


def matched(wanted: Sequence[str], have: Sequence[str | None]) -> list[int]:
    """A board of the right architecture for every rank, first come, first served.

    Parameters
    ----------
    wanted : sequence of str
        Architecture of each rank.
    have : sequence of str or None
        Architecture of each board that there is; None for one that nobody wants.

    Returns
    -------
    boards : list of int
        Positions in ``have``, one per rank.

    Raises
    ------
    ClusterError
        If there are too few boards of an architecture.
    """
    left, chosen = list(range(len(have))), []
    for rank, arch in enumerate(wanted):
        board = next((k for k in left if have[k] == arch), None)
        if board is None:
            raise ClusterError(
                f"no {arch} board is left for rank {rank}: boards are wanted for "
                f"{', '.join(wanted)}, those here are {', '.join(h or 'another' for h in have)}; "
                "check --target"
            )
        left.remove(board)
        chosen.append(board)
    return chosen


def parse_tracker(text: str) -> tuple[str, int]:
    """Host and port from ``HOST:PORT``.

    Parameters
    ----------
    text : str
        Such as ``192.168.1.10:9190``.

    Returns
    -------
    host, port : str, int
        The port from 1 to 65535.

    Raises
    ------
    ClusterError
        If the text is not of that form.
    """
    try:
        return host_and_port(text)
    except ValueError as error:
        raise ClusterError(str(error)) from None
