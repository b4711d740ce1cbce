# SPDX-License-Identifier: Apache-2.0
"""``flexpie tune``: measure register tiles of a model's own kernels on boards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ..errors import InputError
from ..lab.tuning import Board, TuneOptions, TuningTrial, extract_tasks, read_records, tune
from ..runtime import local_boards, parse_tracker
from ..runtime.native import linker_for
from ..runtime.tracker import check_boards
from .interrupt import interruptible
from .model_file import model_file
from .options import OutputFile, PlanOptions, plan_options
from .pipeline import plan_model
from .progress import share, step
from .taken_boards import check_where


@dataclass(frozen=True)
class Where:
    """Boards to measure on."""

    local: bool
    tracker: str | None
    key: str | None
    threads: int


@click.command("tune")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--local", is_flag=True, help="On a board started here, on loopback.")
@click.option("--tracker", metavar="HOST:PORT", help="On boards of a TVM RPC tracker.")
@click.option("--key", help="Key under which the tracker's boards registered.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="Threads of the local board.")  # fmt: skip
@click.option("--trials", type=click.IntRange(2), default=8, show_default=True,
              help="Tiles of a kernel at most.")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0,
              show_default=True, help="No tile is begun later.")  # fmt: skip
@click.option("-o", "--output", type=OutputFile(), required=True,
              help="File of records; what is there is kept and not measured again.")  # fmt: skip
@plan_options
def command(
    options: PlanOptions, model: Path, trials: int, minutes: float, output: Path, **where: object
) -> None:
    """Measure register tiles of the kernels that MODEL has once it is cut, for build --tuned."""
    place = Where(**where)
    check_where(place.local, place.tracker, place.key)
    if output.exists():  # before minutes of importing
        read_records(output)
    if place.tracker is not None:
        check_boards(*parse_tracker(place.tracker), place.key, 1)
    with model_file(model, options) as file:
        planned = plan_model(file, options, place.threads if place.local else None)
    targets = planned.model.targets
    if len({str(target) for target in targets}) > 1:
        raise InputError("boards of several targets: tune for one kind at a time, with --target")
    with step("Looking for kernels"):
        tasks = extract_tasks(planned.cut, targets)
    with _board(place) as board, share("Tiles") as show, interruptible("batch") as check:

        def tried(trial: TuningTrial) -> None:
            show(trial.done / trial.all, f"{trial.done} of {trial.all}")
            check()

        limits = TuneOptions(trials, 60 * minutes)
        complete = tune(tasks, board, output, limits, linker_for(str(targets[0])), tried)
    click.echo(_summary(output, complete))


@contextmanager
def _board(where: Where) -> Iterator[Board]:
    if where.tracker is not None:
        yield Board(*parse_tracker(where.tracker), where.key)
        return
    with local_boards(1, where.threads) as local:
        yield Board(local.host, local.port, local.key)


def _summary(path: Path, complete: bool) -> str:
    """What is in the records now, and what the best of them gave."""
    name = click.format_filename(path)
    records = read_records(path) if path.exists() else []
    if not records:
        return f"{name}: nothing to choose, and nothing is written" if complete else (
            f"{name}: the time was up before the first measurement")  # fmt: skip
    first, best = {}, {}
    for record in records:
        first.setdefault(record.kernel, record.seconds)
        best[record.kernel] = min(best.get(record.kernel, record.seconds), record.seconds)
    faster = sum(best[kernel] < first[kernel] for kernel in first)
    rest = "" if complete else "; the time was up: call again for the rest"
    return (
        f"{name}: {len(records)} measurements of {len(first)} kernels, {faster} of them faster "
        f"with another tile than the predicted one{rest}"
    )
