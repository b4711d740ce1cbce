# SPDX-License-Identifier: Apache-2.0
"""``flexpie run``: run a model or an artifact on boards."""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import numpy as np

from ..errors import InputError, PlanError, VerifyError
from ..explain import reported_timeline, save_picture, save_trace
from ..plan import Timeline, simulate
from ..relay.onnx_model import load_onnx
from ..runtime import (
    Artifact,
    Cluster,
    SingleBoard,
    build_single,
    is_artifact,
    load_artifact,
    local_boards,
    parse_tracker,
    relative_error,
)
from ..runtime.timeline import per_run
from ..runtime.tracker import check_boards
from .inputs import check_input_file, load_inputs
from .options import OutputFile, PlanOptions, plan_options
from .pipeline import compile_model, partition, planned_boards
from .progress import step

TOLERANCE = 1e-4
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


@dataclass(frozen=True)
class Measured:
    """What a run gave."""

    outputs: list[np.ndarray]
    latencies: list[float]
    timeline: Timeline
    boards: list[dict[str, float]]
    single_ms: float | None = None
    error: float | None = None


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
@click.option("--verify", is_flag=True, help="Also run whole on one board and compare.")
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
@plan_options
def command(options: PlanOptions, model: Path, **rest: object) -> None:
    """Run MODEL (ONNX or artifact) on boards and print its latency."""
    run = RunOptions(**rest)
    check_where(run.local, run.tracker, run.key)
    if math.isnan(run.deadline):
        raise InputError("--deadline is not a number")
    # before minutes of compilation
    check_input_file(run.input)
    check_timeline_file(run.timeline)
    given = open_artifact(model, options)
    if run.tracker is not None:
        boards = given.boards if given else planned_boards(options)
        check_boards(*parse_tracker(run.tracker), run.key, boards)
    with tempfile.TemporaryDirectory() as scratch:
        if given:
            artifact, predicted = given, reported_timeline(given.plan["notes"])
        else:
            threads = run.threads if run.local else None
            artifact, predicted = compile_onnx(model, options, Path(scratch), threads)
        inputs = load_inputs(run.input, artifact.inputs)
        whole = _build_whole(artifact, Path(scratch)) if run.verify else None
        with boards_for(run, artifact.boards) as cluster:
            measured = measure(cluster, artifact, inputs, whole, run)
        report(artifact, measured, run)
        if run.timeline:
            save_timeline(run.timeline, predicted, measured.timeline)


def check_where(local: bool, tracker: str | None, key: str | None) -> None:
    """``InputError`` unless the boards are either local or a tracker's."""
    if local == (tracker is not None):
        raise InputError("give either --local or --tracker HOST:PORT with --key")
    if tracker is not None and not key:
        raise InputError("--tracker needs the boards' key: give --key")


def open_artifact(model: Path, options: PlanOptions) -> Artifact | None:
    """The artifact that was given; None if it is no artifact.

    Raises
    ------
    PlanError
        If options ask for what the artifact is not.
    """
    if not is_artifact(model):
        return None
    artifact = load_artifact(model)
    if options.boards not in (None, artifact.boards):
        raise PlanError(f"artifact '{model}' is for {artifact.boards} boards, not {options.boards}")
    idle = [name for name in options.given if name != "--boards"]
    if idle:
        raise PlanError(
            f"artifact '{model}' is planned and compiled already: leave out {', '.join(idle)}"
        )
    return artifact


def compile_onnx(
    model: Path, options: PlanOptions, scratch: Path, threads: int | None
) -> tuple[Artifact, Timeline]:
    """Make an artifact from a model, and predict its timeline.

    ``threads`` are those of boards on this machine; None for other boards.
    """
    partitioned = partition(model, options, threads)
    predicted = simulate(partitioned.graph, partitioned.plan, partitioned.cost)
    return compile_model(partitioned, scratch / "model.flexpie"), predicted


@contextmanager
def boards_for(run: RunOptions, boards: int) -> Iterator[Cluster]:
    """Local boards or a tracker's, given back on leaving."""
    if run.local:
        with (
            local_boards(boards, run.threads) as local,
            Cluster.connect((local.host, local.port), local.key, boards) as cluster,
        ):
            yield cluster
    else:
        with Cluster.connect(run.tracker, run.key, boards) as cluster:
            yield cluster


def measure(
    cluster: Cluster, artifact: Artifact, inputs: dict, whole: Path | None, run: RunOptions
) -> Measured:
    """Deploy, run and time; with ``whole`` also on one board."""
    with step("Running"), cluster.deploy(artifact, run.deadline) as deployment:
        outputs = deployment.run(inputs)
        deployment.reset_stats()
        latencies = deployment.latency(inputs, run.repeat)
        seen = deployment.timeline(), per_run(deployment.stats())
        first = deployment.sessions[0]
    if whole is None:
        return Measured(outputs, latencies, *seen)
    with step("Running on one board"), SingleBoard(first, whole, artifact.targets[0]) as single:
        expected = single.run(inputs)
        single_ms = median(single.latency(inputs, run.repeat))
    errors = [relative_error(a, b) for a, b in zip(outputs, expected, strict=True)]
    error = float(np.max(errors))  # max() may lose a NaN
    return Measured(outputs, latencies, *seen, single_ms, error)


def report(artifact: Artifact, measured: Measured, run: RunOptions) -> None:
    """Print the result, write the files, fail if the answers differ."""
    metrics = metrics_of(artifact, measured)
    if run.output:
        save_answers(run.output, [p.name for p in artifact.outputs], measured.outputs)
    if run.json:
        run.json.write_text(json.dumps(metrics, indent=1) + "\n")
    latency = metrics["latency_ms"]
    click.echo(
        f"{artifact.boards} boards, {artifact.scheme}: median {latency['median']:.2f} ms "
        f"(min {latency['min']:.2f}, max {latency['max']:.2f}), "
        f"{artifact.bytes_exchanged} bytes exchanged"
    )
    if measured.error is None:
        return
    click.echo(
        f"one board: median {measured.single_ms:.2f} ms; largest relative error "
        f"{measured.error:.1e} (limit {TOLERANCE:.0e})"
    )
    if not measured.error <= TOLERANCE:
        raise VerifyError(
            f"answers differ from one board's by {measured.error:.2e} of their range, "
            f"more than {TOLERANCE:.0e}"
        )


def save_answers(path: Path, names: list[str], answers: list[np.ndarray]) -> None:
    """Write an .npz; unlike numpy.savez this takes any name, also ``file``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, answer in zip(names, answers, strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, answer, allow_pickle=False)


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


def metrics_of(artifact: Artifact, measured: Measured) -> dict:
    """What ``--json`` writes."""
    times = measured.latencies
    return {
        "latency_ms": {"median": median(times), "min": min(times), "max": max(times)},
        "single_board_ms": measured.single_ms,
        "max_rel_err": measured.error,
        "boards": artifact.boards,
        "scheme": artifact.scheme,
        "predicted_ms": artifact.plan["notes"].get("predicted_ms"),
        "topology": artifact.topology,
        "bytes_exchanged": artifact.bytes_exchanged,
        "bytes_forwarded": artifact.bytes_forwarded,
        "per_board": measured.boards,
        "memory": artifact.plan["memory"],
        "plan": artifact.plan,
    }


def _build_whole(artifact: Artifact, scratch: Path) -> Path:
    if artifact.model is None:
        raise InputError(f"artifact '{artifact.path}' does not hold its model: cannot --verify it")
    shapes = {port.name: port.shape for port in artifact.inputs}
    with step("Compiling for one board"):
        whole = load_onnx(artifact.model, shapes)
        return build_single(whole, artifact.targets[0], scratch / "whole.so")
