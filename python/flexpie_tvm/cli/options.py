# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from ..errors import InputError
from ..plan import TOPOLOGIES, ClusterSpec, parse_bandwidth

DEFAULT_BOARDS = 4


@dataclass(frozen=True)
class PlanOptions:
    """How to cut the model."""

    shapes: dict[str, tuple[int, ...]]
    boards: int | None = None
    bandwidth: str = "1Gbps"
    topology: str = "mesh"
    scheme: str = "InH"
    plan: Path | None = None
    target: str | None = None

    def cluster(self) -> ClusterSpec:
        """The cluster that the options describe."""
        boards = DEFAULT_BOARDS if self.boards is None else self.boards
        return ClusterSpec(boards, parse_bandwidth(self.bandwidth), topology=self.topology)


def plan_options(command: Callable) -> Callable:
    """Add the planning options to a command; it gets them as ``options``."""

    def with_options(shape, boards, bandwidth, topology, scheme, plan, target, **rest):
        shapes = dict(parse_shape(text) for text in shape)
        options = PlanOptions(shapes, boards, bandwidth, topology, scheme, plan, target)
        return command(options=options, **rest)

    for option in reversed(_OPTIONS):
        with_options = option(with_options)
    with_options.__doc__ = command.__doc__
    return with_options


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Name and shape from ``NAME=1x3x224x224``.

    Raises
    ------
    InputError
        If the text is not of that form.
    """
    name, separator, sizes = text.rpartition("=")
    parts = sizes.split("x")
    if not separator or not name or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise InputError(f"--shape '{text}' is not NAME=1x3x224x224")
    return name, tuple(int(p) for p in parts)


def host_target() -> str:
    """TVM target of this machine."""
    import tvm

    return f"llvm -mcpu={tvm.target.codegen.llvm_get_system_cpu()}"


_OPTIONS = [
    click.option(
        "--shape",
        multiple=True,
        metavar="NAME=1x3x224x224",
        help="Shape of an input with dynamic dims; may be repeated.",
    ),
    click.option("--boards", type=int, help=f"Number of boards (default {DEFAULT_BOARDS})."),
    click.option("--bandwidth", default="1Gbps", show_default=True, help="Of one board's link."),
    click.option("--topology", type=click.Choice(TOPOLOGIES), default="mesh", show_default=True),
    click.option(
        "--scheme",
        default="InH",
        show_default=True,
        help="InH, InW, OutC, 2D-grid, 2D-grid:RxC or Single, for every layer.",
    ),
    click.option("--plan", type=click.Path(path_type=Path), help="A finished plan.json."),
    click.option("--target", help="TVM target of the boards (default: this machine)."),
]
