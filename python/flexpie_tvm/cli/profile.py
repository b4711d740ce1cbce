# SPDX-License-Identifier: Apache-2.0
"""``flexpie profile``: measure tiles and transfers on boards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tvm

from ..cost.traces import Setting, append_models
from ..errors import InputError
from ..fingerprint import kernels_fingerprint
from ..frontend.formats import input_names, load_model
from ..lab.counting.guest import prepare_counting
from ..lab.counting.modelled_tiles import TileModeller, modelled_setting
from ..lab.profiler import (
    FAMILIES,
    ProfiledModel,
    TileOptions,
    TileProfiler,
    TransferOptions,
    TransferProfiler,
    board_threads,
    subject_of,
    time_model,
    untimed,
)
from ..machine import known_board
from ..plan import ClusterSpec
from ..relay.targets import host_target, parse_target
from ..runtime import Cluster, parse_tracker
from ..runtime.native import linker_for
from ..runtime.tracker import connect_tracker
from .interrupt import interruptible
from .options import cluster_options, parse_shape
from .progress import share, step
from .taken_boards import boards_for, check_where, secure_option

#: Of the minutes, transfers take this share if tiles are to be timed too.
TRANSFER_SHARE = 0.2


@dataclass(frozen=True)
class ProfileOptions:
    """Where to measure, and what."""

    local: bool
    tracker: str | None
    key: str | None
    threads: int
    minutes: float
    only: str | None
    tiles: int
    transfers: int
    seed: int
    batch: int
    family: tuple[str, ...]
    kind: str | None
    target: str
    output: Path
    secure: Path | None = None

    def seconds(self, what: str, boards: int) -> float:
        """Time for ``tiles`` or ``transfers``."""
        if self.only is not None:
            return 60 * self.minutes * (self.only == what)
        for_transfers = TRANSFER_SHARE if boards > 1 else 0.0
        return 60 * self.minutes * (for_transfers if what == "transfers" else 1 - for_transfers)


@click.command("profile")
@click.option("--local", is_flag=True, help="On boards started here, on loopback.")
@click.option("--tracker", metavar="HOST:PORT", help="On boards of a TVM RPC tracker.")
@click.option("--simulate", metavar="BOARD", help="On no board: tiles are counted under qemu and "
              "modelled for a board that is sold ('flexpie boards --known').")  # fmt: skip
@click.option("--key", help="Key under which the tracker's boards registered.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True,
              help="Threads of each local board.")  # fmt: skip
@click.option("--model", "models", multiple=True, type=click.Path(path_type=Path),
              help="Also time the layers of this ONNX model; may be repeated.")  # fmt: skip
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1x3x224x224",
              help="Shape of an input with dynamic dims; may be repeated.")  # fmt: skip
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=30.0,
              show_default=True, help="No batch is begun later.")  # fmt: skip
@click.option("--only", type=click.Choice(["tiles", "transfers"]), help="Leave the other out.")
@click.option("--tiles", type=click.IntRange(1), default=1_000_000, help="Stop after so many.")
@click.option("--transfers", type=click.IntRange(1), default=1_000_000, help="Stop after so many.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="Of random layers, cuts and transfers.")  # fmt: skip
@click.option("--batch", type=click.IntRange(2), default=64, show_default=True,
              help="Tiles per build.")  # fmt: skip
@click.option("--family", type=click.Choice(list(FAMILIES)), multiple=True,
              help="Random layers of these families only; may be repeated.")  # fmt: skip
@click.option("--kind", help="Your name for this kind of board (default: local, or the key).")
@click.option("--target", help="TVM target of the boards (default: this machine).")
@click.option("-o", "--output", required=True, help="Folder of the trace store; it is added to.",
              type=click.Path(file_okay=False, path_type=Path))  # fmt: skip
@secure_option
@cluster_options
def command(
    cluster: ClusterSpec, models: tuple[Path, ...], shapes: tuple[str, ...], **rest: object
) -> None:
    """Time layer tiles and exchanges on boards into a trace store, for flexpie train."""
    simulated = rest.pop("simulate")
    if simulated is not None:
        simulate(simulated, models, shapes, rest)
        return
    check_where(rest["local"], rest["tracker"], rest["key"])
    given = [*dict.fromkeys(cluster.targets)] if rest["target"] is None else [rest["target"]]
    if len(given) > 1:
        raise InputError("boards of several targets: profile each kind by itself, with --target")
    rest["target"] = str(parse_target(given[0] if given else host_target()))
    options = ProfileOptions(**rest)
    linker = linker_for(options.target)
    if options.only == "transfers" and cluster.boards < 2:
        raise InputError(f"transfers among {cluster.boards} boards: give --boards 2 or more")
    if options.tracker is not None:  # before minutes of importing models
        connect_tracker(*parse_tracker(options.tracker)).close()
    subjects = [] if options.only == "transfers" else load_subjects(models, shapes, options.target)
    with boards_for(options, cluster.boards) as taken:
        boards = taken.cluster
        setting = setting_of(boards, options)
        if options.seconds("transfers", cluster.boards):
            time_transfers(boards, cluster, setting, options)
        if options.seconds("tiles", cluster.boards):
            time_models(boards, subjects, setting, linker, options.output)
            time_tiles(boards, subjects, setting, linker, options)


def simulate(
    name: str, models: tuple[Path, ...], shapes: tuple[str, ...], rest: dict[str, object]
) -> None:
    """Model tiles of a board that is sold, and say what came of it."""
    idle = [key for key in ("local", "tracker", "key", "target", "kind") if rest[key]]
    if idle:
        raise InputError(f"--simulate needs no boards: leave out --{idle[0]}")
    if rest["only"] == "transfers":
        raise InputError("--simulate models tiles only: leave out --only transfers")
    board = known_board(name)
    rest["target"] = str(parse_target(board.target))
    options = ProfileOptions(**rest)
    prepare_counting()
    setting = modelled_setting(board, options.target, tvm.__version__)
    subjects = load_subjects(models, shapes, options.target)
    keep_tiles(TileModeller(board, setting), subjects, options, 60 * options.minutes, "modelled")


def load_subjects(
    models: tuple[Path, ...], shapes: tuple[str, ...], target: str
) -> list[ProfiledModel]:
    """Import models; every shape must be of an input of one of them."""
    given, unused = dict(map(parse_shape, shapes)), {text.rpartition("=")[0] for text in shapes}
    subjects = []
    for path in models:
        own = {name: given[name] for name in input_names(path) if name in given}
        unused -= set(own)
        with step(f"Importing {path}"):
            subjects.append(subject_of(path.stem, load_model(path, own), tvm.target.Target(target)))
    if unused:
        raise InputError(f"--shape {sorted(unused)[0]}: no --model has an input of that name")
    return subjects


def setting_of(boards: Cluster, options: ProfileOptions) -> Setting:
    """What is kept with every trace."""
    kind = options.kind or ("local" if options.local else options.key)
    threads = board_threads(boards.sessions[0])
    return Setting(kind, options.target, tvm.__version__, threads, kernels_fingerprint())


def time_transfers(
    boards: Cluster, cluster: ClusterSpec, setting: Setting, options: ProfileOptions
) -> None:
    """Profile transfers and say what came of it."""
    seconds = options.seconds("transfers", boards.boards)
    profiler = TransferProfiler(boards.sessions, cluster, setting)
    wanted = TransferOptions(seconds, options.transfers, options.seed)
    with share("Transfers") as show, interruptible("batch") as check:
        for timed in profiler.run(options.output, wanted):
            check()
            done = max(profiler.progress.seconds / seconds, timed / options.transfers)
            show(done, f"{timed} timed")
    progress = profiler.progress
    click.echo(
        f"{click.format_filename(options.output)}: {progress.timed} transfers in "
        f"{progress.seconds / 60:.1f} min{_spread(progress.spreads)}"
    )


def time_models(
    boards: Cluster,
    subjects: list[ProfiledModel],
    setting: Setting,
    linker: str | None,
    store: Path,
) -> None:
    """Time every model whole on one board, unless the store has it."""
    for subject in untimed(store, subjects, setting):
        with step(f"Timing {subject.name} whole"):
            trace = time_model(subject, boards.sessions[0], setting, linker)
        append_models(store, [trace])
        click.echo(f"{subject.name}: {trace.ms:.2f} ms on one board")


def time_tiles(
    boards: Cluster,
    subjects: list[ProfiledModel],
    setting: Setting,
    linker: str | None,
    options: ProfileOptions,
) -> None:
    """Profile tiles on boards."""
    seconds = options.seconds("tiles", boards.boards)
    # Local boards that share cores would time each other; and the compiler would disturb them.
    most = max(1, (os.cpu_count() or 1) // setting.threads) if options.local else boards.boards
    profiler = TileProfiler(boards.sessions[:most], setting, linker)
    keep_tiles(profiler, subjects, options, seconds, "timed")


def keep_tiles(
    profiler: TileProfiler,
    subjects: list[ProfiledModel],
    options: ProfileOptions,
    seconds: float,
    done_to: str,
) -> None:
    """Run a profiler of tiles and say what came of it."""
    overlap = not options.local
    wanted = TileOptions(
        seconds,
        options.tiles,
        options.seed,
        options.batch,
        overlap=overlap,
        families=options.family,
    )
    with share("Tiles") as show, interruptible("batch") as check:
        for timed in profiler.run(options.output, subjects, wanted):
            check()
            done = max(profiler.progress.seconds / seconds, timed / options.tiles)
            show(done, f"{timed} {done_to}, {profiler.progress.failed} failed")
    progress = profiler.progress
    per_hour = progress.timed / max(progress.seconds, 1e-9) * 3600
    click.echo(
        f"{click.format_filename(options.output)}: {progress.timed} tiles {done_to} in "
        f"{progress.seconds / 60:.1f} min ({per_hour:.0f} an hour, "
        f"{progress.build_seconds / max(progress.seconds, 1e-9):.0%} of the time building), "
        f"{progress.failed} failed{_spread(progress.spreads)}"
    )


def _spread(spreads: list[float]) -> str:
    return f", median spread {np.median(spreads):.1%}" if spreads else ""
