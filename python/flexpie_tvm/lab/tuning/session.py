# SPDX-License-Identifier: Apache-2.0
"""Measure candidates of tasks until they are done or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvm import autotvm
from tvm.autotvm.measure import MeasureErrorNo
from tvm.autotvm.task.space import ConfigEntity
from tvm.autotvm.tuner import Tuner

from ...errors import ClusterError
from ...runtime.tracker import check_boards, free_boards
from .board import Board
from .measure import RUN_SECONDS, KernelBuilder, TrackerRunner, cores
from .records import RecordFile
from .tasks import candidates

#: What is a board's fault as often as a candidate's.
BOARD_ERRORS = (MeasureErrorNo.RUNTIME_DEVICE, MeasureErrorNo.RUN_TIMEOUT)


@dataclass(frozen=True)
class TuneOptions:
    """How much is measured.

    Parameters
    ----------
    trials : int
        Candidates of a kernel at most, those measured before among them.
    seconds : float
        No candidates are begun later.
    """

    trials: int = 8
    seconds: float = 600.0


@dataclass(frozen=True)
class TuningTrial:
    """A candidate that was measured.

    Parameters
    ----------
    task : tvm.autotvm.task.Task
        The kernel.
    config : ConfigEntity
        The candidate.
    seconds : float or None
        Of a call; None if it failed.
    done, all : int
        Candidates that are measured, and that are to be.
    """

    task: autotvm.task.Task
    config: ConfigEntity
    seconds: float | None
    done: int
    all: int


class CandidateTuner(Tuner):
    """A tuner of AutoTVM's that takes given candidates in their order.

    Parameters
    ----------
    task : tvm.autotvm.task.Task
        What is tuned.
    given : sequence of ConfigEntity
        Its candidates.
    more : callable
        Whether there is time for more.
    """

    def __init__(
        self,
        task: autotvm.task.Task,
        given: Sequence[ConfigEntity],
        more: Callable[[], bool] = lambda: True,
    ):
        super().__init__(task)
        self._left, self._more = list(given), more

    def has_next(self) -> bool:
        """Whether there are candidates, and time."""
        return bool(self._left) and self._more()

    def next_batch(self, batch_size: int) -> list[ConfigEntity]:
        """The next candidates."""
        batch, self._left = self._left[:batch_size], self._left[batch_size:]
        return batch

    def update(self, inputs, results) -> None:
        """Nothing: candidates do not depend on measurements."""


def tune(
    tasks: Sequence[autotvm.task.Task],
    board: Board,
    records: Path,
    options: TuneOptions | None = None,
    cc: str | None = None,
    tried: Callable[[TuningTrial], None] = lambda trial: None,
) -> bool:
    """Measure candidates of tasks, each recorded as it is measured.

    Parameters
    ----------
    tasks : sequence of tvm.autotvm.task.Task
        Of `extract_tasks`, all for the boards' target.
    board : Board
        Where to measure.
    records : Path
        File of AutoTVM's records; it is added to, and what is there is not measured again.
    options : TuneOptions, optional
        How much.
    cc : str, optional
        Compiler that links for the boards; the host's by default.
    tried : callable, optional
        Told every measurement after it is recorded; may raise to end the work.

    Returns
    -------
    complete : bool
        Whether all candidates are measured; False if the time was up before.

    Raises
    ------
    ClusterError
        If there is no board, or the last one is lost.
    InputError
        If the file is not of records.
    """
    options = options or TuneOptions()
    until = time.monotonic() + options.seconds
    file = RecordFile(records)
    work = [(task, _unmeasured(task, options.trials, file)) for task in tasks]
    left = sum(len(given) for _, given in work)
    if not left:
        return True
    check_boards(board.host, board.port, board.key, 1)
    parallel = board.parallel or free_boards(board.host, board.port, board.key)
    runner = TrackerRunner(board.host, board.port, board.key, max(1, parallel))
    measure = autotvm.measure_option(KernelBuilder(cc, max(parallel, cores())), runner)
    keep = _Keeper(file, board, records, tried, left)
    for task, given in work:
        if given:
            tuner = CandidateTuner(task, given, lambda: time.monotonic() < until)
            tuner.tune(len(given), measure, callbacks=[keep])
    return keep.done == left


def _unmeasured(task: autotvm.task.Task, trials: int, file: RecordFile) -> list[ConfigEntity]:
    given = candidates(task)[:trials]
    if len(given) < 2:
        return []
    return [config for config in given if not file.has(task, config)]


class _Keeper:
    """Records what was measured, unless no board was there to measure it."""

    def __init__(self, file, board: Board, records: Path, tried, left: int):
        self._file, self._board, self._records, self._tried = file, board, records, tried
        self.done, self._left = 0, left

    def __call__(self, tuner, inputs, results) -> None:
        if any(result.error_no in BOARD_ERRORS for result in results):
            self._check()
        for measured, result in zip(inputs, results, strict=True):
            self._file.append(measured, result)
            self.done += 1
            costs = result.costs
            seconds = None if result.error_no else sum(costs) / len(costs)
            self._tried(TuningTrial(measured.task, measured.config, seconds, self.done, self._left))

    def _check(self) -> None:
        try:
            self._board.wait(RUN_SECONDS)
        except ClusterError as error:
            raise ClusterError(
                f"the boards are lost, and '{self._records}' keeps what was measured: {error}"
            ) from None
