# SPDX-License-Identifier: Apache-2.0
"""Go through a grid: bring a cluster up, measure its networks, write a record each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ...cost import Cost
from ...errors import EngineError
from ...plan import ClusterSpec
from ...runtime import ENGINES, Cluster, Deployment, engines
from ...runtime.one_board import Runnable
from ...runtime.session import Session
from .bed import Bed
from .grid import Case, Grid
from .machine import describe_machine
from .measure import Timings, measure
from .prepare import BenchModel, CompiledWay, plan_ways
from .records import CaseRecord, MeasuredWay, record_path, save_record
from .spent import BoardTime, TimeCounter
from .traced import save_timelines, timeline_stem, trace

TVM = ENGINES[0]


@dataclass(frozen=True)
class BenchSetting:
    """What stays the same in a run of the benchmark.

    Parameters
    ----------
    target : str
        TVM target of the boards.
    folder : Path
        Where records go; artifacts are kept in ``artifacts`` below it.
    cost : Cost
        The cost model to plan with.
    bed : callable
        `ClusterSpec` -> context manager of a `Bed`: boards that are up.
    timelines : bool
        Whether an inference of every plan is traced, after the rounds, into ``timelines``.
    say : callable
        Told what is being done.
    check : callable
        Called between the steps of it; what it raises ends the run.
    """

    target: str
    folder: Path
    cost: Cost
    bed: Callable[[ClusterSpec], AbstractContextManager[Bed]]
    timelines: bool
    say: Callable[[str], object]
    check: Callable[[], object]

    def step(self, text: str) -> None:
        """Go on to the next step, unless the run is to end."""
        self.check()
        self.say(text)


@dataclass(frozen=True)
class Ready:
    """A case that is planned and compiled."""

    case: Case
    prepared: BenchModel
    ways: Mapping[str, CompiledWay]

    @property
    def distinct(self) -> dict[str, CompiledWay]:
        """Fingerprint -> one of the ways with this plan."""
        return {planned.fingerprint: planned for planned in self.ways.values()}


def run_grid(grid: Grid, setting: BenchSetting) -> Iterator[tuple[Case, CaseRecord]]:
    """Measure every case that has no record yet.

    Parameters
    ----------
    grid : Grid
        Networks, clusters and ways.
    setting : BenchSetting
        Target, costs, where results go, and how boards are brought up.

    Yields
    ------
    case, record : Case, CaseRecord
        As soon as it is written.
    """
    artifacts = setting.folder / "artifacts"
    prepared = {
        n.name: BenchModel(n, setting.target, artifacts, setting.step) for n in grid.networks
    }
    missing = [c for c in grid.cases() if not record_path(setting.folder, c).is_file()]
    for cluster, cases in groupby(missing, key=lambda case: case.cluster):
        # compiled before boards are up: they would share the cores
        ready = []
        for case in cases:
            network = prepared[case.network.name]
            ways = plan_ways(network, grid.ways, cluster, setting.cost)
            ready.append(Ready(case, network, ways))
            network.whole()
        with setting.bed(cluster) as bed:
            for one in ready:
                setting.step(f"{one.case.id}: measuring")
                record = _measure_case(grid, setting, bed, one)
                save_record(setting.folder, one.case, record)
                yield one.case, record


def _measure_case(grid: Grid, setting: BenchSetting, bed: Bed, ready: Ready) -> CaseRecord:
    cluster, prepared = ready.case.cluster, ready.prepared
    with ExitStack() as stack:
        tracker, secure = (bed.host, bed.port), bed.secure
        boards = stack.enter_context(
            Cluster.connect(tracker, bed.key, cluster.boards, secure=secure)
        )
        other = stack.enter_context(Cluster.connect(tracker, bed.onnxruntime_key, 1, secure=secure))
        one_board = _one_board(stack, setting, ready, boards.sessions[0], other.sessions[0])
        deployed = {
            plan: stack.enter_context(boards.deploy(planned.artifact))
            for plan, planned in ready.distinct.items()
        }
        counted = {plan: TimeCounter(deployment) for plan, deployment in deployed.items()}
        found = measure(
            {**one_board, **deployed},
            TVM,
            prepared.inputs,
            grid.rounds,
            grid.repeat,
            counted,
            setting.check,
        )
        if setting.timelines:
            _trace(setting, ready, deployed)
    times = {plan: each.boards() for plan, each in counted.items()}
    return CaseRecord(
        model=prepared.network.name,
        boards=cluster.boards,
        bandwidth=cluster.bandwidth,
        topology=cluster.topology,
        bed=bed.name,
        cost_model=setting.cost.name,
        rounds=grid.rounds,
        machine=describe_machine(),
        ways={
            way: _measured(found[p.fingerprint], p, times[p.fingerprint])
            for way, p in ready.ways.items()
        },
        one_board={name: _measured(found[name]) for name in one_board},
        rates=list(bed.rates),
    )


def _one_board(
    stack: ExitStack, setting: BenchSetting, ready: Ready, board: Session, other: Session
) -> dict[str, Runnable]:
    """The engines of one board that can run the model, ready until the stack is left."""
    whole, inputs = ready.prepared.whole(), ready.prepared.inputs
    found = {}
    for name, opened in engines(whole, board, inputs, lambda: nullcontext(other)).items():
        try:
            found[name] = stack.enter_context(opened())
        except EngineError as error:
            setting.say(f"{ready.case.id}: {name} is not measured: {error}")
    return found


def _trace(setting: BenchSetting, ready: Ready, deployed: Mapping[str, Deployment]) -> None:
    for plan, planned in ready.distinct.items():
        ways = [way for way, other in ready.ways.items() if other.fingerprint == plan]
        save_timelines(
            trace(deployed[plan], ready.prepared.inputs),
            planned.timeline(setting.cost),
            [timeline_stem(setting.folder, ready.case.id, way) for way in ways],
        )


def _measured(
    timings: Timings, planned: CompiledWay | None = None, boards: Sequence[BoardTime] = ()
) -> MeasuredWay:
    measured = MeasuredWay(timings.ms, timings.in_place_ms, timings.max_rel_err)
    if planned is None:
        return measured
    return replace(
        measured,
        predicted_ms=planned.predicted_ms,
        bytes_exchanged=planned.artifact.bytes_exchanged,
        build_s=planned.build_s,
        plan=planned.fingerprint,
        boards=list(boards),
    )
