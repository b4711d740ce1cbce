# SPDX-License-Identifier: Apache-2.0
"""Costs of this machine's own boards: calibrated the first time, and remembered."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import tvm

from ..cost import Learned, load_cost, save_cost
from ..cost.own_machine import calibration_key
from ..cost.shipped import shipped_like
from ..errors import CostError, FlexPieError
from ..plan import ClusterSpec
from ..plan.model.cluster import DEFAULT_BOARDS
from ..relay.targets import host_target, parse_target
from ..runtime import BuildCache
from .options import PlanOptions, target_texts
from .taken_boards import boards_for

#: Seconds after which no batch of tiles is begun.
SECONDS, TILES = 50.0, 80
SWITCH = "FLEXPIE_CALIBRATE"
_FILE = "local.cost"


def _chosen(_context: click.Context, _option: click.Parameter, off: bool) -> bool:
    return not off and os.environ.get(SWITCH) != "0"


calibrate_option = click.option(
    "--no-calibrate",
    "own",
    is_flag=True,
    callback=_chosen,
    help="Plan for local boards by packaged costs, not by a minute's measurements that are taken "
    f"the first time and kept in the cache; as {SWITCH}=0 does.",
)


def with_own_costs(options: PlanOptions, threads: int, cache: BuildCache | None) -> PlanOptions:
    """Options that name the costs of this machine's boards, measured now if they were not before.

    They are left as they are where costs are not asked for (``--cost``, ``--plan``, other
    targets), and where no packaged ones are of processors like it. Packaged ones of just such a
    processor and of these kernels are corrected, too: they tell nothing of this host's calls and
    links. Which it was is said in one line.

    Parameters
    ----------
    options : PlanOptions
        For boards that are started here.
    threads : int
        Of each of them.
    cache : BuildCache or None
        Where calibrations are kept. None: nothing is.
    """
    if cache is None or options.cost or options.plan or options.board:
        return options
    target = str(parse_target(host_target()))
    if {str(parse_target(text)) for text in target_texts(options, options.cluster())} != {target}:
        return options
    bases = shipped_like(target)
    if not bases:
        return options
    key = calibration_key(target, threads, tvm.__version__)
    path = remembered(cache, key)
    if path is None and _can_keep(cache):
        path = _calibrated_now(cache, key, target, threads, bases)
    return options if path is None else replace(options, cost=(str(path),))


def remembered(cache: BuildCache, key: str) -> Path | None:
    """The calibration that is kept under a key, and said when it was; None if there is none."""
    path = cache.folder / key / _FILE
    try:
        cost = load_cost(path)
        os.utime(path.parent)  # used now, and not to be thrown away next
        when = time.strftime("%Y-%m-%d", time.localtime(path.stat().st_mtime))
    except (CostError, OSError):
        cache.remove(key)
        return None
    click.echo(f"local boards: calibrated by {cost.origin.tiles} tiles, remembered from {when}")
    return path


def _calibrated_now(
    cache: BuildCache, key: str, target: str, threads: int, bases: list[Learned]
) -> Path | None:
    """Time tiles and transfers of local boards; None if that fails, with a sentence."""
    start = time.monotonic()
    click.echo(f"local boards: calibrating once, for {SECONDS:.0f} s (not with --no-calibrate)")
    try:
        # what measures comes with an extra, and this is only for whom it is there
        from .calibrate import CalibrateOptions, calibrated

        options = CalibrateOptions(
            True, None, None, threads, SECONDS, TILES, 0, "local", None, target, fewest=2
        )
        with boards_for(options, DEFAULT_BOARDS) as taken:
            found = calibrated(taken.cluster, ClusterSpec(DEFAULT_BOARDS), bases, options, start)
    except FlexPieError as error:
        click.echo(f"local boards: not calibrated ({error})")
        return None
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / _FILE
        save_cost(found.cost, file)
        cache.keep(key, [file])
    origin, tiles = found.cost.origin, found.tiles
    click.echo(
        f"local boards: calibrated in {time.monotonic() - start:.0f} s by {origin.tiles} tiles and "
        f"{origin.transfers} transfers (mean error of tiles {tiles.after.mape:.0%}, before "
        f"{tiles.before.mape:.0%})"
    )
    return cache.folder / key / _FILE


def _can_keep(cache: BuildCache) -> bool:
    """Whether the folder can be written to; said if not."""
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache.folder):
            return True
    except OSError:
        click.echo(f"local boards: not calibrated ('{cache.folder}' cannot be written to)")
        return False
