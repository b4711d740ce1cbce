# SPDX-License-Identifier: Apache-2.0
"""``flexpie run --stream N --on-drift``: what drifts, told in a line each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TypeVar

import click

from ..errors import InputError
from ..runtime.deployment import Deployment
from ..runtime.drift import Watch
from .progress import said

ON_DRIFT = ("report", "switch")
VERBS = {"compute": "computes", "exchange": "exchanges"}
F, A = TypeVar("F"), TypeVar("A")

on_drift_option = click.option(
    "--on-drift",
    type=click.Choice(ON_DRIFT),
    help="Between frames of --stream, tell what is slower than expected, or also take a better "
    "plan.",
)
look_every_option = click.option(
    "--look-every",
    type=click.FloatRange(0, 86400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds from one look of --on-drift to the next.",
)


class DriftLines:
    """Tells on stderr when drifts begin and end.

    Parameters
    ----------
    watch : Watch
        What is asked for them.
    """

    def __init__(self, watch: Watch):
        self._watch = watch
        self._told: set[tuple[str, int]] = set()

    def look(self) -> None:
        """Look, and tell what has changed; errors are those of `Watch.look`."""
        found = {(drift.kind, drift.board): drift for drift in self._watch.look()}
        for key, drift in found.items():
            if key not in self._told:
                click.echo(str(drift), err=True)
        for kind, board in sorted(self._told - set(found)):
            click.echo(f"board {board} {VERBS[kind]} as expected again", err=True)
        self._told = set(found)


def check_on_drift(on_drift: str | None, stream: int | None, seconds: float) -> None:
    """``InputError`` if there are no frames between which one could look, or no time for it."""
    if on_drift and not stream:
        raise InputError("--on-drift looks between the frames of a stream: give --stream, too")
    if math.isnan(seconds):
        raise InputError("--look-every is not a number")


def watched_by(
    deployment: Deployment, on_drift: str | None, on_board_lost: str, seconds: float
) -> Callable[[Callable[[Iterable[F]], Iterator[A]], Iterable[F]], Iterator[A]] | None:
    """What a stream is run by, if one is to look at the boards meanwhile.

    Parameters
    ----------
    deployment : Deployment
        Of the stream.
    on_drift : {"report", "switch"} or None
        None looks at nothing.
    on_board_lost : {"raise", "replan"}
        As for `Deployment.run`.
    seconds : float
        From one look to the next.

    Raises
    ------
    InputError
        If it is to switch, and the artifact keeps no model.
    """
    if on_drift is None:
        return None
    lines = DriftLines(deployment.watch(switch=on_drift == "switch"))
    deployment.attempt(deployment.reset_stats, on_board_lost)

    def look() -> None:
        deployment.attempt(lines.look, on_board_lost)

    return lambda stream, frames: in_pieces(stream, frames, look, seconds)


def in_pieces(
    stream: Callable[[Iterable[F]], Iterator[A]],
    frames: Iterable[F],
    look: Callable[[], None],
    seconds: float,
) -> Iterator[A]:
    """A stream that ends, and goes on, to look at the boards between two frames.

    Parameters
    ----------
    stream : callable
        Gives the answers of frames; it is called for each piece.
    frames : iterable
        All of them.
    look : callable
        Called after each piece.
    seconds : float
        That a piece takes; it has one frame at least.

    Yields
    ------
    answer : object
        Of each frame, in order.
    """
    source, left = iter(frames), True

    def piece() -> Iterator[F]:
        nonlocal left
        until = time.monotonic() + seconds
        for frame in source:
            yield frame
            if time.monotonic() >= until:
                return
        left = False

    while left:
        yield from stream(piece())
        look()


def adaptation_said(on_drift: str | None):
    """Lines about plans that are made, while the body runs; none if none are."""
    return said("flexpie_tvm.runtime.adaptation") if on_drift == "switch" else nullcontext()
