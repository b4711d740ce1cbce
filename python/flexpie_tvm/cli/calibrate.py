# SPDX-License-Identifier: Apache-2.0
"""``flexpie calibrate``: two minutes on boards that correct a cost model of boards like these."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import tvm

from ..cost import Learned, load_cost, save_cost
from ..cost.calibration import BeforeAfter, Calibrated, calibrate
from ..cost.host_calls import beyond_transfers
from ..cost.records import Setting
from ..cost.shipped import shipped_like
from ..cost.traces import TileTrace, TransferTrace, read_transfers
from ..errors import CostError, InputError
from ..fingerprint import kernels_fingerprint
from ..lab.profiler import (
    CalibrationOptions,
    TileProfiler,
    TransferOptions,
    TransferProfiler,
    board_threads,
    chosen_tiles,
    time_calls,
    time_chosen,
)
from ..plan import ClusterSpec
from ..relay.targets import host_target, parse_target
from ..runtime import Cluster, parse_tracker
from ..runtime.local import as_local
from ..runtime.native import linker_for
from ..runtime.tracker import connect_tracker
from .interrupt import interruptible
from .options import OutputFile, cluster_options
from .progress import share, step
from .taken_boards import boards_for, check_where, secure_option

#: Of the seconds, transfers take this share where there are several boards.
TRANSFER_SHARE = 0.2
#: And inferences of a small network this one, after it is built.
CALLS_SHARE = 0.1
#: Of a tile's timings the one that is kept: few, perhaps while something else is running.
QUANTILE = 0.1


@dataclass(frozen=True)
class CalibrateOptions:
    """Where to measure, and for how long."""

    local: bool
    tracker: str | None
    key: str | None
    threads: int
    seconds: float
    tiles: int
    seed: int
    kind: str | None
    base: Path | None
    target: str
    output: Path | None = None
    fewest: int = 0  # transfers are among so many boards or more; 0 means all
    secure: Path | None = None


@click.command("calibrate")
@click.option("--local", is_flag=True, help="On boards started here, on loopback.")
@click.option("--tracker", metavar="HOST:PORT", help="On boards of a TVM RPC tracker.")
@click.option("--key", help="Key under which the tracker's boards registered.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="Threads of each local board.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=110.0,
              show_default=True, help="No batch is begun that would end later.")  # fmt: skip
@click.option("--tiles", type=click.IntRange(8), default=80, show_default=True,
              help="Tiles to time at most.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Of the layers that tiles are chosen from, and of transfers.")  # fmt: skip
@click.option("--kind", help="Your name for this kind of board (default: local, or the key).")
@click.option("--base", type=click.Path(path_type=Path),
              help="Cost model to correct (default: a packaged one of like boards).")  # fmt: skip
@click.option("--target", help="TVM target of the boards (default: this machine).")
@click.option("-o", "--output", required=True, type=OutputFile(), help="Cost model, a file.")
@secure_option
@cluster_options
def command(cluster: ClusterSpec, **rest: object) -> None:
    """Correct a packaged cost model by a few tiles and transfers, timed on boards."""
    check_where(rest["local"], rest["tracker"], rest["key"])
    given = [*dict.fromkeys(cluster.targets)] if rest["target"] is None else [rest["target"]]
    if len(given) > 1:
        raise InputError("boards of several targets: calibrate each kind by itself, with --target")
    rest["target"] = str(parse_target(given[0] if given else host_target()))
    options = CalibrateOptions(**rest)
    bases = bases_of(options)
    if options.tracker is not None:
        connect_tracker(*parse_tracker(options.tracker)).close()
    start = time.monotonic()
    with boards_for(options, cluster.boards) as taken:
        found = calibrated(taken.cluster, cluster, bases, options, start)
    save_cost(found.cost, options.output)
    report(found, options.output, time.monotonic() - start)


def bases_of(options: CalibrateOptions) -> list[Learned]:
    """What may be corrected.

    Raises
    ------
    CostError
        If nothing is known of such processors.
    """
    found = [load_cost(options.base)] if options.base else shipped_like(options.target)
    if not found:
        raise CostError(
            f"no cost model of processors like '{options.target}' comes with flexpie: "
            "'flexpie profile' and 'flexpie train' make one"
        )
    return found


def calibrated(
    boards: Cluster,
    cluster: ClusterSpec,
    bases: Sequence[Learned],
    options: CalibrateOptions,
    start: float,
) -> Calibrated:
    """Time transfers and tiles on boards, and correct one of ``bases`` by them."""
    kind = options.kind or ("local" if options.local else options.key)
    threads = board_threads(boards.sessions[0])
    cluster = as_local(cluster, threads) if options.local else cluster
    setting = Setting(kind, options.target, tvm.__version__, threads, kernels_fingerprint())
    moved = time_transfers(boards, cluster, setting, options)
    with step("Inferences"):
        called = time_calls(
            boards.sessions, cluster, options.target, options.seconds * CALLS_SHARE
        )
    left = options.seconds - (time.monotonic() - start)
    timed = time_tiles(boards, bases[-1], setting, options, left)
    found = calibrate(bases, setting, timed, moved)
    return replace(found, cost=beyond_transfers(found.cost, called))


def time_transfers(
    boards: Cluster, cluster: ClusterSpec, setting: Setting, options: CalibrateOptions
) -> list[TransferTrace]:
    """Some transfers among all the boards; none for one board."""
    if boards.boards < 2:
        return []
    seconds = options.seconds * TRANSFER_SHARE
    profiler = TransferProfiler(boards.sessions, cluster, setting)
    wanted = TransferOptions(
        seconds, 200, options.seed, batch=12, fewest=options.fewest, repeats=15
    )
    with (
        tempfile.TemporaryDirectory() as store,
        share("Transfers") as show,
        interruptible("batch") as check,
    ):
        for timed in profiler.run(Path(store), wanted):
            check()
            show(profiler.progress.seconds / seconds, f"{timed} timed")
        return read_transfers(store)


def time_tiles(
    boards: Cluster, base: Learned, setting: Setting, options: CalibrateOptions, seconds: float
) -> list[TileTrace]:
    """Tiles that tell most, timed in the seconds that are left."""
    start = time.monotonic()
    with step("Choosing tiles"):
        target = tvm.target.Target(options.target)
        wanted = CalibrationOptions(seconds, options.tiles, options.seed)
        programs = chosen_tiles(target, base, wanted)
    wanted = CalibrationOptions(seconds - (time.monotonic() - start), options.tiles, options.seed)
    # local boards that share cores would time each other
    sessions = boards.sessions[:1] if options.local else boards.sessions
    profiler = TileProfiler(sessions, setting, linker_for(options.target), QUANTILE)
    with share("Tiles") as show:
        return time_chosen(profiler, programs, wanted, show)


def report(found: Calibrated, output: Path, seconds: float) -> None:
    """Say what came of it."""
    origin = found.cost.origin
    click.echo(
        f"{click.format_filename(output)}: {found.cost.name}, by {origin.tiles} tiles and "
        f"{origin.transfers} transfers in {seconds / 60:.1f} min"
    )
    figures = found.cost.figures
    click.echo(
        f"host: {figures.wake * 1e3:.3f} ms beside scattering and gathering, "
        f"{figures.call * 1e3:.3f} for each board, and {figures.several * 1e3:.3f} for several"
    )
    for name, compared in {"tiles": found.tiles, **found.transfers}.items():
        click.echo(f"{name}: {_errors(compared)}")


def _errors(compared: BeforeAfter) -> str:
    before, after = compared.before, compared.after
    return (
        f"{after.count} configurations, held out: MAPE {after.mape:.1%}, "
        f"median {after.median:.1%}; without calibration {before.mape:.1%}, {before.median:.1%}"
    )
