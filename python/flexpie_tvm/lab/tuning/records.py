# SPDX-License-Identifier: Apache-2.0
"""Records of measurements: lines of JSON as AutoTVM writes them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import tvm
from tvm import autotvm
from tvm.autotvm.task.space import ConfigEntity

from ...errors import InputError
from ...kernels import templates
from ...kernels.configs import CONVOLUTIONS, Measured
from ...kernels.target import name_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningRecord:
    """One measurement.

    Parameters
    ----------
    target : str
        `name_of` the target.
    workload : tuple
        Template and arguments.
    config : ConfigEntity
        What was measured.
    seconds : float
        Of a call; infinite if it failed.
    """

    target: str
    workload: tuple
    config: ConfigEntity
    seconds: float

    @property
    def kernel(self) -> tuple[str, tuple]:
        """Target and workload."""
        return self.target, self.workload


def read_records(path: Path) -> list[TuningRecord]:
    """All records of a file, also of kernels that this version does not have.

    A last line that was cut off, as when the machine went down, is left out.

    Parameters
    ----------
    path : Path
        AutoTVM's log: a line of JSON for each measurement.

    Raises
    ------
    InputError
        If the file cannot be read, or is not of records.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"records '{path}' cannot be read: {error}") from None
    return list(_decoded(path, lines))


def _decoded(path: Path, lines: Sequence[str]) -> Iterator[TuningRecord]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = _decode(line)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, tvm.error.TVMError):
            if number < len(lines):
                reason = "is not a record of AutoTVM"
                raise InputError(f"records '{path}': line {number} {reason}") from None
            return
        yield found


def _decode(line: str) -> TuningRecord:
    row = json.loads(line)
    target, name, args, _ = row["input"]
    costs, error = row["result"][:2]
    config = ConfigEntity.from_json_dict(row["config"])
    config.cost = math.inf if error else sum(costs) / len(costs)
    workload = autotvm.task.args_to_workload(_tuples(args), name)
    return TuningRecord(name_of(tvm.target.Target(target)), workload, config, config.cost)


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def fastest(path: Path, targets: Collection[tvm.target.Target]) -> Measured:
    """The fastest configuration of each kernel that was measured for one of some targets.

    Records of kernels that this version does not have are ignored, which a warning says.

    Parameters
    ----------
    path : Path
        What ``flexpie tune`` wrote.
    targets : collection of tvm.target.Target
        Of the boards.

    Raises
    ------
    InputError
        If the file is not of records, or has none for one of the targets.
    """
    records = read_records(path)
    known = [record for record in records if is_known(record)]
    if len(known) < len(records):
        _log.warning(
            "records '%s': %d of %d are of kernels that this version does not have: ignored",
            path, len(records) - len(known), len(records),
        )  # fmt: skip
    for name in sorted({name_of(target) for target in targets}):
        if not any(record.target == name for record in known):
            others = ", ".join(sorted({f"'{record.target}'" for record in known})) or "none"
            raise InputError(f"records '{path}' have none for target '{name}', but for: {others}")
    wanted = {name_of(target) for target in targets}
    best: dict[tuple[str, tuple], TuningRecord] = {}
    for record in known:
        if record.target in wanted and math.isfinite(record.seconds):
            before = best.get(record.kernel)
            if before is None or record.seconds < before.seconds:
                best[record.kernel] = record
    return {kernel: record.config for kernel, record in best.items()}


def is_known(record: TuningRecord) -> bool:
    """Whether a record is of a kernel that this version has."""
    return record.workload[0] in (*templates.TEMPLATES, *CONVOLUTIONS)


class RecordFile:
    """A file of records that grows.

    Parameters
    ----------
    path : Path
        It is made with the first record.
    """

    def __init__(self, path: Path):
        self._path = path
        self._known = set()
        if path.exists():
            self._known = {self._key(r.kernel, r.config) for r in read_records(path)}
            self._end_line()

    def has(self, task: autotvm.task.Task, config: ConfigEntity) -> bool:
        """Whether a configuration of a task was measured."""
        return self._key((name_of(task.target), task.workload), config) in self._known

    def append(self, measured: autotvm.MeasureInput, result: autotvm.MeasureResult) -> None:
        """Write a measurement to the disk."""
        with self._path.open("a") as stream:
            stream.write(autotvm.record.encode(measured, result) + "\n")

    def _end_line(self) -> None:
        """Take away a last line that was cut off."""
        text = self._path.read_text()
        if text and not text.endswith("\n"):
            kept = text.rpartition("\n")
            self._path.write_text(kept[0] + kept[1])

    @staticmethod
    def _key(kernel: tuple[str, tuple], config: ConfigEntity) -> tuple:
        return *kernel, json.dumps(config.to_json_dict()["entity"])
