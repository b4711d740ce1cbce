# SPDX-License-Identifier: Apache-2.0
"""Time tiles on boards, batch by batch, until the time or the number of tiles is reached."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np
import tvm

from ...cost.records import TileWork
from ...cost.traces import Setting, TileTrace, append_tiles, count_parts, read_tiles
from ...errors import BoardLost
from ...runtime.board_errors import BOARD_FAILURES, board_error, root_cause
from ...runtime.session import Session
from ...runtime.workers import Workers
from .kernels import Batch, compile_batch
from .progress import Progress
from .sampler import ProfiledModel, random_subject, sample_tiles
from .tiles import TileProgram
from .timing import BoardTimer, spread

#: Seconds after which a board that times a batch counts as lost.
PATIENCE = 3600.0
#: How often every tile of a batch is timed, with all others in between.
VISITS = 2


@dataclass(frozen=True)
class TileOptions:
    """What to time and for how long.

    Parameters
    ----------
    seconds : float
        No batch is begun after so long.
    tiles : int
        Nor once so many have been timed.
    seed : int
        Of layers and cuts.
    batch : int
        Tiles per build.
    cuts : int
        Tiles per layer of a given model: the whole layer and random ones.
    overlap : bool
        Build the next batch while the boards time the last one: only where boards are not
        disturbed by it.
    families : tuple of str
        Of random layers: keys of `FAMILIES`; all by default.
    """

    seconds: float
    tiles: int
    seed: int = 0
    batch: int = 64
    cuts: int = 6
    overlap: bool = True
    families: tuple[str, ...] = ()


class TileProfiler:
    """Builds and times batches of tiles.

    Parameters
    ----------
    sessions : sequence of Session
        Boards of one kind; each times a part of every batch.
    setting : Setting
        Where it happens; kept with every trace.
    cc : str or None
        Compiler that links for the boards; None for the host's.
    quantile : float
        Which of a tile's timings is kept: a low one where others use the boards' cores.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        setting: Setting,
        cc: str | None = None,
        quantile: float = 0.5,
    ):
        self._timers = [BoardTimer(session, setting.target) for session in sessions]
        self._guards = [session.in_use for session in sessions]
        self._setting, self._cc, self._quantile = setting, cc, quantile
        self._target = tvm.target.Target(setting.target)
        self._libraries = count()  # a batch is built while the last one is timed
        self.progress = Progress()

    def run(
        self, store: Path, subjects: Sequence[ProfiledModel], options: TileOptions
    ) -> Iterator[int]:
        """Profile tiles into a store, batch by batch.

        What the store has of these kernels is not timed again, so a run that was interrupted goes
        on.

        Parameters
        ----------
        store : Path
            The trace store's folder; it is added to.
        subjects : sequence of ProfiledModel
            Models whose layers come first; the rest are drawn.
        options : TileOptions
            How long, how many, which families.

        Yields
        ------
        timed : int
            Tiles timed so far, after every batch.

        Raises
        ------
        BoardError
            If a board is lost.
        """
        traces = read_tiles(store) if store.is_dir() else []
        known = {trace.work for trace in traces if trace.setting == self._setting}
        source = TileSource(subjects, self._target, options, known, count_parts(store))
        self.progress.start = time.monotonic()
        pending: Future | None = None
        with tempfile.TemporaryDirectory() as scratch:
            while self.progress.below(options.seconds, options.tiles):
                batch = self._built(source.next_batch(), Path(scratch))
                if pending is not None:
                    yield self._keep(store, pending)
                pending = _in_background(lambda batch=batch: self._timed(batch))
                if not options.overlap:
                    yield self._keep(store, pending)
                    pending = None
            if pending is not None:
                yield self._keep(store, pending)

    def time(self, programs: Sequence[TileProgram], folder: Path) -> list[TileTrace]:
        """The traces of one batch, compiled into a folder that may be thrown away.

        Parameters
        ----------
        programs : sequence of TileProgram
            What to time.
        folder : Path
            Gets the libraries.

        Raises
        ------
        BoardError
            If a board is lost.
        """
        return self._timed(self._built(programs, folder))

    def _keep(self, store: Path, pending: Future) -> int:
        traces = pending.result()
        append_tiles(store, traces)
        return self.progress.add(traces)

    def _built(self, programs: Sequence[TileProgram], folder: Path) -> list[Batch]:
        """Compile a batch; one that TVM cannot compile is halved until the culprit is alone."""
        start = time.monotonic()
        todo, built = [list(programs)], []
        while todo:
            part = todo.pop()
            path = folder / f"tiles-{next(self._libraries)}.so"
            try:
                built.append(compile_batch(part, self._target, path, self._cc))
            except Exception:  # TVM's schedules are Python and raise whatever they like
                middle = len(part) // 2
                self.progress.failed += len(part) == 1
                todo.extend(half for half in (part[:middle], part[middle:]) if len(part) > 1)
        self.progress.build_seconds += time.monotonic() - start
        return built

    def _timed(self, batches: Sequence[Batch]) -> list[TileTrace]:
        """Traces of compiled tiles; those that a board could not run are counted as failed."""
        traces: list[TileTrace] = []
        for batch in batches:
            repeats = self._visits(batch)
            for tile, times in zip(batch.tiles, repeats, strict=True):
                self.progress.failed += not times
                if times and tile.calls:  # a reshape that moves nothing has no time to learn
                    traces.append(self._trace(tile.program, np.concatenate(times)))
            batch.library.unlink()
        return traces

    def _visits(self, batch: Batch) -> list[list[np.ndarray]]:
        """Timings of every tile. Each board takes the next tile until none is left.

        A batch is gone through twice: what disturbs a board for a second does not hit a tile
        both times.
        """
        todo: SimpleQueue[int] = SimpleQueue()
        for number in [*range(len(batch.tiles))] * VISITS:
            todo.put(number)
        repeats: list[list[np.ndarray]] = [[] for _ in batch.tiles]
        workers = Workers(len(self._timers), self._guards)
        try:
            _, failures, silent = workers.each(
                lambda rank: self._serve(rank, batch, todo, repeats), PATIENCE
            )
        finally:
            workers.close()
        if failures or silent:
            raise root_cause(failures, silent, PATIENCE) from None
        return repeats

    def _serve(
        self, rank: int, batch: Batch, todo: SimpleQueue, repeats: list[list[np.ndarray]]
    ) -> None:
        timer = self._timers[rank]
        library = timer.load(batch.library)
        while True:
            try:
                number = todo.get_nowait()
            except Empty:
                return
            try:
                repeats[number].append(timer.time(library, batch.tiles[number]))
            except BOARD_FAILURES as error:
                failure = board_error(rank, error)
                if isinstance(failure, BoardLost):
                    raise failure from None

    def _trace(self, program: TileProgram, times: np.ndarray) -> TileTrace:
        ms, origin = float(np.quantile(times, self._quantile)), program.origin
        return TileTrace(program.work, ms, spread(times), len(times), origin, self._setting)


class TileSource:
    """Batches of tiles: half from the layers of models while they last, half random ones.

    Parameters
    ----------
    subjects : sequence of ProfiledModel
        The models.
    target : tvm.target.Target
        Target of the boards.
    options : TileOptions
        Seed, batch and cuts.
    known : set of TileWork
        Configurations that are timed already.
    first : int
        Number of the first batch; another number gives other random layers.
    """

    def __init__(
        self,
        subjects: Sequence[ProfiledModel],
        target: tvm.target.Target,
        options: TileOptions,
        known: set[TileWork],
        first: int,
    ):
        self._target, self._options, self._known = target, options, known
        self._round = first
        rng = np.random.default_rng(options.seed)
        self._of_models = [
            program
            for subject in subjects
            for program in sample_tiles(subject, rng, options.cuts, known)
        ]
        rng.shuffle(self._of_models)

    def next_batch(self) -> list[TileProgram]:
        """The next tiles to time."""
        size = self._options.batch
        half = size // 2
        chosen, self._of_models = self._of_models[:half], self._of_models[half:]
        while len(chosen) < size:
            rng = np.random.default_rng((self._options.seed, self._round))
            self._round += 1
            subject = random_subject(rng, size // 2, self._target, self._options.families)
            chosen.extend(sample_tiles(subject, rng, 1, self._known))
        return chosen


def _in_background(work) -> Future:
    """Run a function on a daemon thread, which a hanging board cannot keep alive."""
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # handed to the caller
            future.set_exception(error)

    Thread(target=run, name="flexpie-profile", daemon=True).start()
    return future
