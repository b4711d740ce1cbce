# SPDX-License-Identifier: Apache-2.0
"""What was measured of one case: one JSON file a case, so that a benchmark can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...errors import InputError
from .grid import Case
from .spent import BoardTime

VERSION = 2
READABLE = (1, 2)  # 1: without the boards' times


@dataclass(frozen=True)
class MeasuredWay:
    """One way of running a network.

    Parameters
    ----------
    ms : list of float
        End to end as the caller sees it: scatter, run, gather; one value per round, the median
        of its inferences.
    in_place_ms : list of float
        The same with the input already on the boards and the answer left there, as the paper
        measures.
    max_rel_err : float
        Largest difference from one board with TVM, relative to the range of its answer.
    predicted_ms : float or None
        What the planner predicted, end to end.
    bytes_exchanged : int
        Between boards, per inference.
    build_s : float
        Seconds to plan and compile; 0 if another way had made the same plan.
    plan : str
        Fingerprint of the plan: ways with the same one are one measurement.
    boards : list of BoardTime
        Where each board's time goes with the input in place.
    """

    ms: list[float]
    in_place_ms: list[float]
    max_rel_err: float
    predicted_ms: float | None = None
    bytes_exchanged: int = 0
    build_s: float = 0.0
    plan: str = ""
    boards: list[BoardTime] = field(default_factory=list)


@dataclass(frozen=True)
class CaseRecord:
    """All that was measured of one case.

    ``ways`` holds the ways of partitioning; ``one_board`` what a user could run instead on a
    single board (``TVM``, ``flexpie``, ``onnxruntime``), on the same boards in the same rounds.
    An engine that was not measured is not there: ``flexpie`` in older records, ``onnxruntime``
    where it cannot run the model.

    Parameters
    ----------
    model : str
        Name of the network.
    boards : int
        How many there were.
    bandwidth : float
        Of a board's link, in bits/s, as it was asked for.
    topology : str
        As of `ClusterSpec`.
    bed : str
        Which boards: local ones, or a testbed's.
    cost_model : str
        Name of the cost model that plans were made with.
    rounds : int
        How often all ways were run in turn.
    machine : mapping
        What the machine is, as shown in the report.
    ways, one_board : mapping
        Name -> what was measured.
    rates : list of float
        Measured bits/s of the links; empty where they were not measured.
    """

    model: str
    boards: int
    bandwidth: float
    topology: str
    bed: str
    cost_model: str
    rounds: int
    machine: Mapping[str, str]
    ways: Mapping[str, MeasuredWay]
    one_board: Mapping[str, MeasuredWay]
    rates: list[float] = field(default_factory=list)


def save_record(folder: Path, case: Case, record: CaseRecord) -> None:
    """Write a record; an interruption leaves the old file or the new one, nothing between."""
    path = record_path(folder, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps({"version": VERSION, **asdict(record)}, indent=1) + "\n")
    os.replace(scratch, path)


def record_path(folder: Path, case: Case) -> Path:
    """Where a case's record is kept."""
    return folder / "records" / f"{case.id}.json"


def load_record(path: Path) -> CaseRecord:
    """Read a record.

    Raises
    ------
    InputError
        If the file is damaged or of another version.
    """
    try:
        data = json.loads(path.read_text())
        if data.pop("version") not in READABLE:
            raise InputError(f"result '{path}' is of another version: delete it to measure again")
        for group in ("ways", "one_board"):
            data[group] = {name: _measured(one) for name, one in data[group].items()}
        return CaseRecord(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"result '{path}' is damaged: delete it to measure again") from None


def load_records(folder: Path) -> list[CaseRecord]:
    """All records of a folder, by file name.

    Parameters
    ----------
    folder : Path
        The results' folder, with a folder ``records``.
    """
    return [load_record(path) for path in sorted((folder / "records").glob("*.json"))]


def _measured(data: Mapping) -> MeasuredWay:
    boards = [BoardTime.from_json(board) for board in data.get("boards", ())]
    kept = {name: value for name, value in data.items() if name != "host_ms"}  # once derived
    return MeasuredWay(**{**kept, "boards": boards})
