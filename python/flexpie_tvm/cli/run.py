# SPDX-License-Identifier: Apache-2.0
"""``flexpie run``: run a model or an artifact on boards."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from ..errors import InputError
from ..explain import reported_timeline, save_picture, save_trace
from ..plan import Timeline, simulate
from ..runtime import Artifact, BuildCache, parse_tracker
from ..runtime.deployment import ON_BOARD_LOST, Deployment
from ..runtime.frame_rate import FrameTimes, frame_times
from ..runtime.secure_socket import host_key
from ..runtime.timeline import per_run
from ..runtime.tracker import check_boards
from .cache import cache_option
from .drift_lines import (
    adaptation_said,
    check_on_drift,
    look_every_option,
    on_drift_option,
    watched_by,
)
from .finished import artifact_key, finished_artifact
from .first_difference import where_it_differs
from .given_artifact import open_artifact
from .inputs import check_input_file, load_inputs
from .model_file import model_file, model_ports
from .options import NOT_LOCAL, OutputFile, PlanOptions, plan_options, tuned_option
from .own_costs import calibrate_option, with_own_costs
from .pipeline import Prepared, compile_model, plan_model, planned_boards
from .progress import said, step
from .run_report import RunResult, report
from .taken_boards import Boards, boards_for, check_where, secure_option
from .verify import Alone, build_alone, judge, measure_alone

TIMELINES = {".json": save_trace, ".png": save_picture, ".svg": save_picture}


@dataclass(frozen=True)
class RunOptions:
    """Where to run, and what to do with the results."""

    local: bool
    tracker: str | None
    key: str | None
    threads: int
    input: Path | None
    output: Path | None
    repeat: int
    verify: bool
    json: Path | None
    timeline: Path | None
    deadline: float
    tuned: Path | None
    cache: BuildCache | None = None
    on_board_lost: str = "raise"
    stream: int | None = None
    tracks: int = 1
    on_drift: str | None = None
    look_every: float = 10.0
    trust: tuple[Path, ...] = ()
    own: bool = False
    secure: Path | None = None


@dataclass(frozen=True)
class ToRun:
    """What is run.

    Parameters
    ----------
    artifact : Artifact
        The model, compiled for its boards.
    predicted : Timeline or None
        What its plan says.
    model : Prepared or None
        As imported for the artifact, if that was now.
    """

    artifact: Artifact
    predicted: Timeline | None
    model: Prepared | None = None


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--local", is_flag=True, help="On boards started here, on loopback.")
@click.option("--tracker", metavar="HOST:PORT", help="On boards of a TVM RPC tracker.")
@click.option("--key", help="Key under which the tracker's boards registered.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of each local board.",
)
@click.option("--input", type=click.Path(path_type=Path), help=".npz or image (default: random).")
@click.option("--output", type=OutputFile(), help="Write the answers to this .npz.")
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Timed inferences after warm-up.",
)
@click.option("--stream", type=click.IntRange(1), help="Also time so many, four in flight.")
@click.option(
    "--tracks",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Frames of --stream that a board has begun: one while another waits for its neighbours.",
)
@on_drift_option
@look_every_option
@click.option(
    "--verify",
    is_flag=True,
    help="Also run whole on one board, by TVM, by us, by onnxruntime, and compare.",
)
@click.option("--json", type=OutputFile(), help="Write metrics to this file.")
@click.option(
    "--timeline",
    type=OutputFile(),
    help="Draw what boards did in the last run: .json (Chrome trace), .png or .svg.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0.001, 86400),
    default=30.0,
    show_default=True,
    help="Seconds that a board waits for another.",
)
@click.option(
    "--on-board-lost",
    type=click.Choice(ON_BOARD_LOST),
    default="raise",
    show_default=True,
    help="End with an error, or repeat the request on the boards that are left.",
)
@click.option(
    "--trust",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run an artifact only if this Ed25519 public key signed it; may be repeated.",
)
@secure_option
@cache_option
@calibrate_option
@tuned_option
@plan_options
def command(options: PlanOptions, model: Path, **rest: object) -> None:
    """Run MODEL (ONNX or artifact) on boards and print its latency."""
    run = RunOptions(**rest)
    check_where(run.local, run.tracker, run.key)
    if run.local and options.board:
        raise InputError(NOT_LOCAL)
    if math.isnan(run.deadline):
        raise InputError("--deadline is not a number")
    check_timeline_file(run.timeline)
    check_on_drift(run.on_drift, run.stream, run.look_every)
    host_key(run.secure)
    given = open_artifact(model, options, run.trust)
    if given and run.tuned:
        raise InputError(f"artifact '{model}' is compiled already: leave out --tuned")
    check_input_file(run.input)
    if run.tracker is not None:
        boards = given.boards if given else planned_boards(options)
        check_boards(*parse_tracker(run.tracker), run.key, boards)
    if given:
        inputs = load_inputs(run.input, given.inputs)
        with tempfile.TemporaryDirectory() as scratch:
            made = ToRun(given, reported_timeline(given.plan["notes"]))
            run_on_boards(made, inputs, run, Path(scratch))
        return
    with model_file(model, options) as file, tempfile.TemporaryDirectory() as scratch:
        # before minutes of compilation
        inputs = load_inputs(run.input, model_ports(file, options.shapes))
        if run.local and run.own:
            options = with_own_costs(options, run.threads, run.cache)
        made = make_ready(file, options, run, Path(scratch))
        run_on_boards(made, inputs, run, Path(scratch))


def run_on_boards(made: ToRun, inputs: dict, run: RunOptions, scratch: Path) -> None:
    """Deploy what was made, run it and report."""
    artifact = made.artifact
    inputs = {port.name: inputs[port.name] for port in artifact.inputs}
    alone = build_alone(artifact, made.model, scratch, run.cache) if run.verify else None
    with boards_for(run, artifact.boards) as boards:
        measured = measure(boards, artifact, inputs, alone, run)
    report(artifact, measured, run.output, run.json)
    if run.timeline:
        save_timeline(run.timeline, made.predicted, measured.timeline)


def make_ready(model: Path, options: PlanOptions, run: RunOptions, scratch: Path) -> ToRun:
    """What is run of a model: made before, unless a timeline is to be predicted from its plan."""
    threads, path = run.threads if run.local else None, scratch / "model.flexpie"
    anew: list[ToRun] = []

    def made() -> Artifact:
        planned = plan_model(model, options, threads)
        predicted = simulate(planned.cut.graph, planned.cut.plan, planned.cost)
        artifact = compile_model(planned, path, run.tuned, cache=run.cache)
        anew.append(ToRun(artifact, predicted, planned.model))
        return artifact

    cache = None if run.timeline else run.cache
    key = cache and artifact_key(model, options, threads, run.tuned)
    artifact = finished_artifact(cache, key, path, made)
    return anew[0] if anew else ToRun(artifact, None)


def measure(
    boards: Boards, artifact: Artifact, inputs: dict, alone: Alone | None, run: RunOptions
) -> RunResult:
    """Deploy, run and time; with ``alone`` also on one board."""
    with (
        step("Running"),
        said("flexpie_tvm.runtime.recovery"),
        adaptation_said(run.on_drift),
        boards.cluster.deploy(
            artifact, run.deadline, run.on_board_lost, cache=run.cache
        ) as deployment,
    ):
        outputs = deployment.run(inputs, run.on_board_lost)
        deployment.attempt(deployment.reset_stats, run.on_board_lost)
        latencies = deployment.latency(inputs, run.repeat, on_board_lost=run.on_board_lost)
        seen = deployment.attempt(lambda: last_run(deployment, inputs), run.on_board_lost)
        stream = run.stream and timed_stream(deployment, inputs, run)
        sessions = deployment.sessions
    if alone is None:
        return RunResult(outputs, latencies, *seen, stream)
    session = sessions[alone.rank]
    found = measure_alone(
        alone.whole, session, inputs, run.repeat, lambda: boards.onnxruntime(session)
    )
    verdict, where = judge(outputs, latencies, found), ""
    if verdict.sides:
        with step("Looking for the first tensor that differs"):
            where = where_it_differs(artifact, boards.cluster, inputs, verdict.sides)
    return RunResult(outputs, latencies, *seen, stream, verdict, where)


def timed_stream(deployment: Deployment, inputs: dict, run: RunOptions) -> FrameTimes:
    """Time ``--stream``, with a look at the boards now and then if drifts are to be told."""
    watched = watched_by(deployment, run.on_drift, run.on_board_lost, run.look_every)
    return frame_times(
        deployment, inputs, run.stream, run.on_board_lost, tracks=run.tracks, watched=watched
    )


def last_run(deployment: Deployment, inputs: dict) -> tuple[Timeline, list[dict]]:
    """What the boards did in the last run, or in one more if they have not run yet."""
    if not deployment.ran:
        deployment.run(inputs)
    return deployment.timeline(), per_run(deployment.stats())


def check_timeline_file(path: Path | None) -> None:
    """``InputError`` if a timeline cannot be written in the format of a file's suffix."""
    if path is not None and path.suffix not in TIMELINES:
        raise InputError(f"timeline '{path}' is none of {', '.join(TIMELINES)}")


def save_timeline(path: Path, predicted: Timeline | None, measured: Timeline) -> None:
    """Write the measured timeline, beside the predicted one if there is one."""
    timelines = {"measured": measured}
    if predicted is not None:
        timelines["predicted"] = predicted
    TIMELINES[path.suffix](timelines, path)
