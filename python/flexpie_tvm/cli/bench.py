# SPDX-License-Identifier: Apache-2.0
"""``flexpie bench``: ways of partitioning beside each other, measured on the same boards."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import click

from ..errors import InputError
from ..lab.testbed import TOPOLOGIES, TestbedOptions, check_system
from ..plan import check_scheme, parse_bandwidth
from ..relay.targets import host_target
from ..runtime.local import as_local
from ..runtime.secure_socket import host_key
from .costs import cost_model
from .interrupt import interruptible
from .options import parse_shape
from .progress import Stages
from .taken_boards import secure_option


@dataclass(frozen=True)
class BenchOptions:
    """What is measured and where results go."""

    boards: tuple[int, ...]
    bandwidth: tuple[str, ...]
    topology: tuple[str, ...]
    way: tuple[str, ...]
    shape: tuple[str, ...]
    rounds: int
    repeat: int
    target: str | None
    cost: tuple[str, ...]
    local: bool
    cpu: float
    output: Path
    report_only: bool
    timeline: bool
    secure: Path | None = None

    def testbeds(self) -> tuple[TestbedOptions, ...]:
        """Every combination of boards, topology and bandwidth."""
        rates = [parse_bandwidth(text) for text in self.bandwidth]
        key = str(self.secure or "")
        return tuple(
            TestbedOptions(boards, rate, topology=topology, cpu=self.cpu, secure=key)
            for boards, topology, rate in product(self.boards, self.topology, rates)
        )


@click.command("bench")
@click.argument("models", nargs=-1)
@click.option("--boards", type=click.IntRange(1, 64), multiple=True, default=(2,))
@click.option("--bandwidth", multiple=True, default=("1Gbps",), help="Of one board's link.")
@click.option("--topology", type=click.Choice(TOPOLOGIES), multiple=True, default=("mesh",))
@click.option("--way", multiple=True, help="A scheme, as for run (default: the six ways).")
@click.option("--shape", multiple=True, metavar="NAME=1x3x224x224", help="For models from files.")
@click.option("--rounds", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "--repeat", type=click.IntRange(1), default=3, show_default=True, help="Per way and round."
)
@click.option("--target", help="TVM target of the boards (default: this machine).")
@click.option("--cost", multiple=True, metavar="FILE", help="Cost model to plan with.")
@click.option(
    "--local", is_flag=True, help="Boards on loopback, without shaped links: needs no root."
)
@click.option(
    "--cpu",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Cores of each board of a testbed (default: one, or as much as there is for all).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of results; what is there already is not measured again.",
)
@click.option(
    "--timeline", is_flag=True, help="Trace an inference of every plan: Chrome traces, pictures."
)
@secure_option
@click.option("--report-only", is_flag=True, help="Only write RESULTS.md from the results.")
def command(models: tuple[str, ...], **values: object) -> None:
    """Measure MODELS (ONNX files, or names such as resnet50) cut in several ways.

    Every option that may be repeated spans the grid: each model on each combination of boards,
    topology and bandwidth, cut in each way, in turns with the whole model on one board, by TVM,
    by us and by onnxruntime. Boards are those of a testbed, which needs root.
    """
    options = BenchOptions(**values)
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.report_only:
        _measure(models, options)
    from ..lab.bench import load_records, write_report

    records = load_records(options.output)
    if not records:
        raise InputError(f"'{options.output}' holds no results: name models to measure")
    click.echo(f"report: {write_report(records, options.output)}")


def _measure(models: tuple[str, ...], options: BenchOptions) -> None:
    from ..lab.bench import WAYS, Grid, find_network, run_grid
    from ..lab.bench.bed import local_bed, shaped_bed
    from ..lab.bench.report import summary
    from ..lab.bench.runner import BenchSetting

    if not models:
        raise InputError("no model is named: give ONNX files or names such as resnet50")
    ways, target = options.way or WAYS, options.target or host_target()
    beds = options.testbeds()
    host_key(options.secure)
    if not options.local:
        check_system()
    for bed, way in product(beds, ways):
        check_scheme(way, bed.boards)
    shapes = dict(map(parse_shape, options.shape))
    folder = options.output / "models"
    networks = tuple(find_network(model, shapes, folder) for model in models)
    # a board on loopback has as much of the cores as the system gives it
    asked = {
        as_local(replace(b.cluster, speeds=()), b.threads) if options.local else b.cluster: b
        for b in beds
    }
    grid = Grid(networks, tuple(asked), ways, options.rounds, options.repeat)
    # shipped cost models are of boards on loopback
    threads = beds[0].threads if options.local else None
    cost = cost_model(options.cost, next(iter(asked)), [target], threads)
    with Stages() as stages, interruptible("step") as check:
        setting = BenchSetting(
            target,
            options.output,
            cost,
            partial(local_bed, secure=options.secure)
            if options.local
            else lambda cluster: shaped_bed(asked[cluster]),
            options.timeline,
            stages.say,
            check,
        )
        with closing(run_grid(grid, setting)) as done:
            for case, record in done:
                stages.stop()
                click.echo(f"{case.id}: {summary(record)}")
