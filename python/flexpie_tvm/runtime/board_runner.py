# SPDX-License-Identifier: Apache-2.0
"""One board's part of a deployment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from .artifact import Artifact
from .board_errors import BOARD_FAILURES
from .native import native_library, target_arch
from .session import Session
from .timeline import Moments
from .track import Track, added
from .upload import load_module, put_ahead
from .workers import forget_locals


class BoardRunner:
    """One board's part: its compiled module, and what frames need that run there."""

    def __init__(self, rank: int, session: Session):
        self.rank, self.session = rank, session
        self._tracks: list[Track] = []  # single runs are on the first
        self._library = None
        self._file: str | None = None  # of the library
        self.takes_part = True  # or the plan has nothing for it
        self.moments: Moments | None = None  # of the last run that it took part in
        self.progress = time.monotonic()  # when setting it up last went on

    def went_on(self) -> None:
        """Note that something of setting up is done."""
        self.progress = time.monotonic()

    def open(self, artifact: Artifact, deadline: float) -> None:
        """Upload the board's part and make it ready; after a failure it can be closed."""
        rank, session, remote = self.rank, self.session, self.session.remote
        self.went_on()  # whatever it was busy with before
        session.load_once(native_library(target_arch(artifact.targets[rank])))
        track = self._add_track(artifact, deadline)
        path = artifact.library(rank)
        self._library, self._file = load_module(rank, session, path, deadline, self.went_on)
        self.went_on()
        executor = self._library["default"](remote.cpu(0))
        self.went_on()
        track.take(executor, artifact, deadline)
        ports = (*artifact.inputs, *artifact.outputs)
        held = any(not port.regions[rank].is_empty for port in ports)
        self.takes_part = held or bool(artifact.tables[rank]["exchanges"])

    def open_second(self, artifact: Artifact, deadline: float) -> None:
        """Make it ready for a second frame at a time, of a stream."""
        self.went_on()
        first, track = self._tracks[0], self._add_track(artifact, deadline)
        executor = track.beside(first, self._library)
        self.went_on()
        track.take(executor, artifact, deadline)

    def _add_track(self, artifact: Artifact, deadline: float) -> Track:
        track = Track(self.rank, self.session)
        self._tracks.append(track)
        track.listen(artifact, deadline)
        self.went_on()
        return track

    @property
    def tracks(self) -> int:
        """How many frames of a stream it has under way at most."""
        return len(self._tracks)

    def put(self, paths: Iterable[Path], deadline: float) -> None:
        """Have files on the board that it may need, as far as they fit."""
        for path in paths:
            self.went_on()
            put_ahead(self.rank, self.session, path, deadline, self.went_on)

    @property
    def port(self) -> int | None:
        """Where other boards find it, once it listens."""
        return self._tracks[0].port if self._tracks else None

    @property
    def address(self) -> dict:
        """Where the other boards reach the newest track of this one."""
        port = self._tracks[-1].port
        return {"rank": self.rank, "host": self.session.address, "port": port}

    def connect(self, peers: str, token: str) -> None:
        """Link the newest track with those of boards that this one exchanges with."""
        self._tracks[-1].connect(peers, token)

    def run(self, frame: int, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]):
        """One inference: this board's share of scatter, run and gather."""
        start = time.perf_counter_ns()
        self._tracks[0].run(frame, inputs, outputs)
        self.moments = Moments(start, time.perf_counter_ns())

    def serve(self, first: int, tracks: int) -> int:
        """Run frames as they come, in turns on so many tracks; returns their number at their end.

        Parameters
        ----------
        first : int
            Number of the first frame.
        tracks : int
            How many of its tracks.
        """
        parts = [part for track in self._tracks[:tracks] for part in track.parts]
        return int(self.session.remote.get_function("flexpie.serve")(first, *parts))

    def send_frame(self, track: int, inputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of scattering a frame to a track."""
        self._tracks[track].send_frame(inputs)

    def receive_frame(self, track: int, outputs: Mapping[str, np.ndarray]) -> None:
        """The board's share of gathering a frame's answer from a track."""
        self._tracks[track].receive_frame(outputs)

    def end_frames(self, track: int) -> None:
        """There are no more frames for a track."""
        self._tracks[track].end_frames()

    def scatter(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Send this board what it needs of the inputs."""
        self._tracks[0].scatter(inputs)

    def compute(self, frame: int) -> None:
        """Run the board's module, exchanges included."""
        self._tracks[0].compute(frame)

    def stats(self) -> dict:
        """The native runtime's counters."""
        return added([track.stats() for track in self._tracks])

    def clock_offset(self) -> int:
        """Nanoseconds that the board's clock is ahead of the host's."""
        return self._tracks[0].clock_offset()

    def reset_stats(self) -> None:
        """Start the counters anew."""
        for track in self._tracks:
            track.reset_stats()

    def close(self) -> None:
        """Leave the links and free everything on the board."""
        try:
            for track in self._tracks:
                track.close()
            alive = True
        except BOARD_FAILURES as error:  # of which TVM keeps the last one
            alive = False
            forget_locals(error)
        self._forget(alive)

    def _forget(self, alive: bool) -> None:
        for track in reversed(self._tracks):  # the second one reads the weights of the first
            track.forget(alive)
        self._tracks, self._library = [], None
        if self._file is not None:
            self.session.files.let_go(self._file)
            self._file = None
