# SPDX-License-Identifier: Apache-2.0
"""What the boards of a deployment tell of themselves."""

from __future__ import annotations

from ..errors import InputError
from ..plan import Timeline
from .deployed_boards import DeployedBoards
from .timeline import measured_timeline


class MeasuredBoards(DeployedBoards):
    """Boards with counters, and a timeline of their last run."""

    def run_in_place(self) -> None:
        """Run once more on the inputs that the boards hold; answers stay where they are owned.

        Raises
        ------
        BoardError
            As for `run`.
        """
        frame = self._next_frame()
        self.each(lambda runner: runner.compute(frame))

    @property
    def ran(self) -> bool:
        """Whether the boards that it is on now have run an inference."""
        working = [runner for runner in self._runners if runner.takes_part]
        return bool(working) and all(runner.moments for runner in working)

    def stats(self) -> list[dict]:
        """Every board's counters."""
        with self._turn():
            return self._each(lambda runner: runner.stats(), self._deadline)

    def reset_stats(self) -> None:
        """Start every board's counters anew."""
        with self._turn():
            self._each(lambda runner: runner.reset_stats(), self._deadline)

    def timeline(self) -> Timeline:
        """When every board did what in the last run, on the host's clock.

        Returns
        -------
        timeline : Timeline
            As `plan.predict.simulate` predicts it: milliseconds from the start of the run.

        Raises
        ------
        InputError
            If nothing has been run yet.
        """
        if not self.ran:
            raise InputError("there is no timeline before the first run")
        moments = [runner.moments for runner in self._runners]
        with self._turn():
            offsets = self._each(lambda runner: runner.clock_offset(), self._deadline)
        return measured_timeline(self.artifact, self.stats(), moments, offsets)
