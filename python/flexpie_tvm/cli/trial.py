# SPDX-License-Identifier: Apache-2.0
"""``flexpie plan --try``: the plans that are predicted to be the fastest, timed on the boards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..compiler import partition
from ..errors import InputError
from ..lab.tuning import Tried, fastest_of, try_plans
from ..plan import Plan, finalists
from ..runtime import Artifact, BuildCache, build, parse_tracker
from ..runtime.tracker import check_boards
from .interrupt import interruptible
from .options import PlanOptions
from .pipeline import Planned
from .progress import step
from .taken_boards import boards_for, check_where


@dataclass(frozen=True)
class Trial:
    """How many plans are tried, and on which boards."""

    number: int
    local: bool
    tracker: str | None
    key: str | None
    threads: int
    secure: Path | None = None

    def check(self, options: PlanOptions) -> None:
        """``InputError`` before the model is read, if plans cannot be tried."""
        if not self.number:
            if self.tracker or self.key or self.secure:
                raise InputError("--tracker, --key and --secure are for boards of --try")
            return
        check_where(self.local, self.tracker, self.key)
        if options.plan or options.scheme != "auto" or options.objective != "latency":
            raise InputError("--try is for --scheme auto and latency: leave out --plan and others")
        if self.tracker is not None:
            check_boards(*parse_tracker(self.tracker), self.key, options.cluster().boards)


try_option = click.option(
    "--try",
    "number",
    type=click.IntRange(2),
    metavar="N",
    help="Time the N plans that are predicted to be the fastest on the boards, one board alone "
    "among them, and keep the fastest; the boards are --local or a tracker's.",
)


def tried(planned: Planned, trial: Trial, cache: BuildCache | None) -> Planned:
    """A model with that of its best plans which the boards ran fastest; each is told in a line."""
    model, cut = planned.model, planned.cut
    precision = {"precision": model.precision}
    plans = [
        replace(plan, notes={**plan.notes, **precision})
        for plan in finalists(cut.graph, cut.plan.cluster, planned.cost, trial.number)
    ]
    built = _builder(planned, cache)
    with (
        tempfile.TemporaryDirectory() as folder,
        boards_for(trial, cut.plan.boards) as boards,
        step(f"Trying {len(plans)} plans"),
        interruptible("round") as check,
    ):
        found = try_plans(plans, built, boards.cluster, Path(folder), check=check)
    for one in found:
        click.echo(f"tried {_told(one)}")
    best = fastest_of(found)
    rows = [_row(one) for one in found]
    notes = {**best.plan.notes, "measured_ms": best.ms, "tried": rows}
    chosen = replace(best.plan, notes=notes)
    kept = partition(model.layers, chosen.cluster, plan=chosen)
    return replace(planned, cut=kept)


def _builder(planned: Planned, cache: BuildCache | None) -> Callable[[Plan, Path], Artifact]:
    model = planned.model

    def built(plan: Plan, path: Path) -> Artifact:
        cut = partition(model.layers, plan.cluster, plan=plan)
        names, source = model.model.outputs, model.model.source
        return build(cut, model.targets, path, names, source, cache=cache)

    return built


def _row(one: Tried) -> dict[str, object]:
    predicted = one.plan.notes["predicted_ms"]
    return {"scheme": one.plan.scheme, "predicted_ms": predicted, "ms": one.ms}


def _told(one: Tried) -> str:
    return (
        f"{one.plan.scheme}: predicted {one.plan.notes['predicted_ms']:.2f} ms, took {one.ms:.2f}"
    )
