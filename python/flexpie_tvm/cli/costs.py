# SPDX-License-Identifier: Apache-2.0
"""Which cost model a command plans with."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..cost import Analytic, Cost, Learned, PerKind, cost_of_boards, load_cost, shipped_cost
from ..cost.records import MODELLED
from ..cost.shipped import shipped_modelled
from ..errors import CostError
from ..fingerprint import kernels_fingerprint
from ..machine import KnownBoard
from ..plan import ClusterSpec
from ..relay.targets import parse_target

NO_MEASUREMENTS = "no measurements of such boards: 'flexpie profile' takes them"


def cost_model(
    files: Sequence[str],
    cluster: ClusterSpec,
    targets: Sequence[str],
    threads: int | None,
    boards: Sequence[KnownBoard] = (),
) -> Cost:
    """The cost model of the options, said in one line.

    Parameters
    ----------
    files : sequence of str
        ``FILE``, or ``KIND=FILE`` for one kind of the cluster's boards.
    cluster : ClusterSpec
        The boards.
    targets : sequence of str
        Their TVM targets.
    threads : int or None
        Threads of boards on this machine; None for other boards.
    boards : sequence of KnownBoard
        What the boards are, where that is known.

    Raises
    ------
    CostError
        If a file is no cost model, or is for boards that the cluster does not have.
    """
    if files:
        cost = _from_files(files, cluster)
        click.echo(f"cost model: {cost.name}{_stale(cost)}")
        return cost
    if boards:
        modelled = cost_of_boards(boards)
        click.echo(f"cost model: {modelled.name}{_stale(modelled)}")
        return modelled
    cost = _shipped(targets, threads)
    if cost is None:
        click.echo(f"cost model: analytic ({NO_MEASUREMENTS})")
        return Analytic()
    click.echo(f"cost model: {cost.name}, shipped{_elsewhere(cost, targets[0])}{_stale(cost)}")
    return cost


def _from_files(files: Sequence[str], cluster: ClusterSpec) -> Cost:
    kinds = {}
    for text in files:
        kind, separator, path = text.partition("=")
        if separator and kind not in cluster.kinds:
            known = ", ".join(dict.fromkeys(k for k in cluster.kinds if k)) or "no kinds"
            raise CostError(f"--cost '{text}': the cluster has {known}, not '{kind}'")
        kind, path = (kind, path) if separator else ("", text)
        if kind in kinds:
            raise CostError(f"--cost '{text}': there is one for such boards already")
        kinds[kind] = load_cost(path)
    if list(kinds) == [""]:
        return kinds[""]
    network = kinds.pop("", next(iter(kinds.values())))
    return PerKind(kinds, network)


def _shipped(targets: Sequence[str], threads: int | None) -> Learned | None:
    """What comes with the package for such boards: measured ones before modelled ones."""
    if len(set(targets)) != 1:
        return None
    target = str(parse_target(targets[0]))
    measured = None if threads is None else shipped_cost(target, threads)
    return measured or shipped_modelled(target)


def _elsewhere(cost: Learned, target: str) -> str:
    """What to know of a cost model that was measured on another kind of processor."""
    of = cost.origin.setting
    if of.how == MODELLED:
        return f"; of a {of.board_kind} with {of.threads} threads, which '--board' tells apart"
    if of.target == str(parse_target(target)):
        return ""
    return f"; measured with '{of.target}', so milliseconds may be off by a factor"


def _stale(cost: Cost) -> str:
    """What to know of a cost model of other kernels than those that boards will execute."""
    if all(setting.kernels == kernels_fingerprint() for setting in cost.settings):
        return ""
    return "; it is of other kernels than these, which may be faster: 'flexpie profile' times them"
