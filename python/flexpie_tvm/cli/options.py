# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import click
from click.core import ParameterSource

from ..errors import InputError, PlanError
from ..machine import PRECISIONS, KnownBoard, parse_boards
from ..plan import (
    OBJECTIVES,
    TOPOLOGIES,
    ClusterSpec,
    cluster_of_boards,
    load_cluster,
    parse_bandwidth,
)
from ..plan.model.cluster import DEFAULT_BOARDS

MOST_BOARDS = 64
NOT_LOCAL = "local boards are this machine's: leave out --board"


@dataclass(frozen=True)
class PlanOptions:
    """How to cut the model."""

    shapes: dict[str, tuple[int, ...]]
    boards: int | None = None
    bandwidth: str = "1Gbps"
    topology: str = "mesh"
    scheme: str = "auto"
    objective: str = "latency"
    cluster_file: Path | None = None
    board: tuple[str, ...] = ()
    plan: Path | None = None
    target: tuple[str, ...] = ()
    precision: str | None = None
    cost: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    throttle: float = 1.0
    given: tuple[str, ...] = ()  # names of those that the command line says

    def cluster(self) -> ClusterSpec:
        """The cluster that the options describe, its boards as slow as they get when hot."""
        return self._unthrottled().throttled(self.throttle)

    def _unthrottled(self) -> ClusterSpec:
        if self.board:
            return self._of_boards()
        if self.cluster_file is not None:
            cluster = load_cluster(self.cluster_file)
            if self.boards not in (None, cluster.boards):
                raise PlanError(
                    f"cluster '{self.cluster_file}' has {cluster.boards} boards, not {self.boards}"
                )
            return cluster
        boards = DEFAULT_BOARDS if self.boards is None else self.boards
        if boards > MOST_BOARDS:
            raise PlanError(f"--boards {boards}: give at most {MOST_BOARDS}")
        return ClusterSpec(boards, parse_bandwidth(self.bandwidth), topology=self.topology)

    def known_boards(self) -> tuple[KnownBoard, ...]:
        """Those that ``--board`` names, in the order of their ranks.

        Raises
        ------
        InputError
            If one is not known, or other options say something else of the boards.
        """
        others = {"--target": self.target, "--cluster": self.cluster_file}
        for name, given in others.items():
            if self.board and given:
                raise InputError(f"--board says all of the boards: leave out {name}")
        found = parse_boards(self.board, DEFAULT_BOARDS if self.boards is None else self.boards)
        if self.board and self.boards not in (None, len(found)):
            raise InputError(f"--board names {len(found)} boards, not {self.boards}")
        return found

    def _of_boards(self) -> ClusterSpec:
        boards = self.known_boards()
        if len(boards) > MOST_BOARDS:
            raise PlanError(f"--board names {len(boards)} boards: give at most {MOST_BOARDS}")
        given = "--bandwidth" in self.given
        bandwidth = parse_bandwidth(self.bandwidth) if given else None
        return cluster_of_boards(boards, bandwidth, self.topology)


def plan_options(command: Callable) -> Callable:
    """Add the planning options to a command; it gets them as ``options``."""
    names = [field.name for field in fields(PlanOptions) if field.name not in ("shapes", "given")]

    def with_options(shape, **values):
        own = {name: values.pop(name) for name in names}
        own["given"] = _given({"shape", *names})
        return command(options=PlanOptions(dict(map(parse_shape, shape)), **own), **values)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    with_options.__doc__ = command.__doc__
    return with_options


def cluster_options(command: Callable) -> Callable:
    """Add the options that describe a cluster; the command gets it as ``cluster``."""

    def with_options(boards, bandwidth, topology, cluster_file, board, **values):
        if board and values.get("local"):
            raise InputError(NOT_LOCAL)
        described = PlanOptions(
            {}, boards, bandwidth, topology, cluster_file=cluster_file, board=board,
            target=tuple(filter(None, [values.get("target")])), given=_given({"bandwidth"}),
        )  # fmt: skip
        return command(cluster=described.cluster(), **values)

    for option in reversed(_CLUSTER_OPTIONS):
        with_options = option(with_options)
    with_options.__doc__ = command.__doc__
    return with_options


def _given(names: set[str]) -> tuple[str, ...]:
    """Those of the options that stand on the command line, as they are written there."""
    context = click.get_current_context()
    return tuple(
        option.opts[0]
        for option in context.command.params
        if option.name in names
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    )


class OutputFile(click.Path):
    """A file that can be written: checked before the work, not after it."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value, param, ctx) -> Path:
        """A path whose folder is there."""
        path = super().convert(value, param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder '{click.format_filename(path.parent)}'", param, ctx)
        return path


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Name and shape from ``NAME=1x3x224x224``.

    Raises
    ------
    InputError
        If the text is not of that form.
    """
    name, separator, sizes = text.rpartition("=")
    parts = sizes.split("x")
    if not separator or not name or not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise InputError(f"--shape '{text}' is not NAME=1x3x224x224")
    return name, tuple(int(p) for p in parts)


def target_texts(options: PlanOptions, cluster: ClusterSpec) -> tuple[str, ...]:
    """TVM targets of the boards as text: one for all, or one for each."""
    if known := options.target or cluster.targets:
        return known
    from ..relay.targets import host_target  # TVM takes seconds to import

    return (host_target(),)


throttle_option = click.option(
    "--throttle",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of their speed that all boards keep when they are hot; for one board by itself "
    "'speed' in cluster.toml.",
)
tuned_option = click.option(
    "--tuned",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Records of 'flexpie tune': kernels take what was measured to be fastest.",
)
_CLUSTER_OPTIONS = [
    click.option("--boards", type=int, help=f"Number of boards (default {DEFAULT_BOARDS})."),
    click.option("--bandwidth", default="1Gbps", show_default=True, help="Of one board's link."),
    click.option("--topology", type=click.Choice(TOPOLOGIES), default="mesh", show_default=True),
    click.option(
        "--cluster",
        "cluster_file",
        type=click.Path(path_type=Path),
        help="cluster.toml, instead of --boards, --bandwidth and --topology.",
    ),
    click.option(
        "--board",
        multiple=True,
        metavar="NAME[:NUMBER]",
        help="A board that is sold ('flexpie boards --known'), instead of --target; may be "
        "repeated: pi4:3,pi5:1. Sets links, threads and costs too.",
    ),
]
_OPTIONS = [
    click.option(
        "--shape",
        multiple=True,
        metavar="NAME=1x3x224x224",
        help="Shape of an input with dynamic dims; may be repeated.",
    ),
    click.option(
        "--outputs",
        multiple=True,
        metavar="NAME",
        help="End the model at this tensor; may be repeated.",
    ),
    *_CLUSTER_OPTIONS,
    throttle_option,
    click.option(
        "--scheme",
        default="auto",
        show_default=True,
        help="auto finds the best plan; InH, InW, OutC, InC, 2D-grid, 2D-grid:RxC, Single cut "
        "every layer that way; layerwise and fused are the best of those ways.",
    ),
    click.option(
        "--objective",
        type=click.Choice(OBJECTIVES),
        default="latency",
        show_default=True,
        help="What auto minimises.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        help="fp16 narrows a float32 model, for boards with fp16 arithmetic (default: the plan's, "
        "else fp32).",
    ),
    click.option("--plan", type=click.Path(path_type=Path), help="A finished plan.json."),
    click.option(
        "--cost",
        multiple=True,
        metavar="[KIND=]FILE",
        help="Cost model of 'flexpie train'; repeated for kinds of boards in cluster.toml.",
    ),
    click.option(
        "--target",
        multiple=True,
        help="TVM target of all boards, or repeated for each board in rank order (default: those "
        "of the cluster, else this machine).",
    ),
]
