# SPDX-License-Identifier: Apache-2.0
"""``flexpie advise``: how many of which boards, on which link."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from ..cost import cost_of_boards
from ..explain.advice import advice_page
from ..graph import Graph
from ..machine import KnownBoard, known_board
from ..machine.board_data import Published, published_times
from ..plan import cluster_of_boards, parse_bandwidth
from ..plan.search.advise import Advised, Curve, advise, curves, links_of
from .model_file import model_file
from .options import OutputFile, PlanOptions, parse_shape, throttle_option
from .pipeline import load_model
from .progress import share
from .table import print_table

BOARDS, LINKS = ("pi4", "pi5"), ("100Mbps", "500Mbps", "1Gbps", "2.5Gbps")


@click.command("advise")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", "boards", multiple=True, default=BOARDS, show_default=True,
              help="A kind of boards ('flexpie boards --known'); may be repeated.")  # fmt: skip
@click.option("--bandwidth", "links", multiple=True, default=LINKS, show_default=True,
              help="Of one board's link; may be repeated.")  # fmt: skip
@click.option("--boards", "most", type=click.IntRange(1, 16), default=8, show_default=True,
              help="Boards of a kind at most.")  # fmt: skip
@click.option("--shape", "shapes", multiple=True, metavar="NAME=1x3x224x224",
              help="Shape of an input with dynamic dims; may be repeated.")  # fmt: skip
@click.option("--outputs", multiple=True, metavar="NAME",
              help="End the model at this tensor; may be repeated.")  # fmt: skip
@throttle_option
@click.option("--json", "figures", type=OutputFile(), help="Write all figures to this file.")
@click.option("-o", "--output", type=OutputFile(), help="A page with curves, such as advice.html.")
def command(
    model: Path,
    boards: tuple[str, ...],
    links: tuple[str, ...],
    most: int,
    shapes: tuple[str, ...],
    outputs: tuple[str, ...],
    throttle: float,
    figures: Path | None,
    output: Path | None,
) -> None:
    """Tell how fast MODEL would be on one to eight boards, and where the next stops paying.

    Nothing is measured: plans are made with modelled costs of these boards.
    """
    kinds = [known_board(key) for key in dict.fromkeys(boards)]
    gbps = [parse_bandwidth(link) / 1e9 for link in links]
    options = PlanOptions(dict(map(parse_shape, shapes)), outputs=outputs)
    points: list[Advised] = []
    with model_file(model, options) as file:
        for number, kind in enumerate(kinds):
            graph = graph_for(file, options, kind)
            points += planned(graph, kind, gbps, most, throttle)
            show(curves([p for p in points if p.board == kind.key]), first=number == 0)
    known = published(model)
    for one in known:
        if one.board in kinds:
            click.echo(
                f"published for one {one.board.key}, by ncnn in {one.precision} with "
                f"{one.threads} threads: {one.milliseconds:g} ms"
            )
    if figures:
        figures.write_text(json.dumps(as_json(points, known), indent=1) + "\n")
    if output:
        output.write_text(advice_page(model.stem, curves(points), known))
        click.echo(click.format_filename(output))


def graph_for(file: Path, options: PlanOptions, kind: KnownBoard) -> Graph:
    """The model's layers as they are compiled for a kind of boards."""
    cluster = cluster_of_boards([kind])
    return load_model(file, options, cluster).layers.graph


def planned(
    graph: Graph, kind: KnownBoard, gbps: Sequence[float], most: int, speed: float = 1.0
) -> list[Advised]:
    """Plans for all numbers of boards and links."""
    own = links_of(kind, gbps)
    found: list[Advised] = []
    with share(f"Planning for {kind.key}") as tell:
        for point in advise(graph, kind, own, most, cost_of_boards([kind]), speed):
            found.append(point)
            tell(len(found) / (len(own) * most), f"{point.boards} boards, {point.gbps:g} Gb/s")
    return found


def published(model: Path) -> list[Published]:
    """What is known of a model of this name on one board: all cores of its first kind, or one."""
    name = model.stem.lower().replace("-", "_")
    return [t for t in published_times() if t.network == name and t.cluster is t.board.big]


def show(found: Sequence[Curve], first: bool) -> None:
    """A line for each link of a kind of boards."""
    if first:
        click.echo(f"milliseconds of one inference; {found[0].points[0].cost_model}")
    else:
        click.echo(f"\n{found[0].points[0].cost_model}")
    numbers = [str(point.boards) for point in found[0].points]
    rows = [
        [
            curve.points[0].board,
            f"{curve.points[0].gbps:g}",
            *(f"{point.latency_ms:.1f}" for point in curve.points),
            f"{curve.enough}",
            f"{curve.best.frames:.1f}",
            f"{curve.best.streamed:.1f}",
        ]
        for curve in found
    ]
    print_table(["board", "Gb/s", *numbers, "enough", "frames/s", "streamed"], rows)


def as_json(points: Sequence[Advised], known: Sequence[Published]) -> dict:
    """All figures as plain data."""
    chosen = {point.board for point in points}
    return {
        "points": [point.to_json() for point in points],
        "enough": [
            {"board": c.points[0].board, "gbps": c.points[0].gbps, "boards": c.enough}
            for c in curves(points)
        ],
        "published": [
            {"board": one.board.key, "engine": "ncnn", "threads": one.threads,
             "latency_ms": one.milliseconds}
            for one in known
            if one.board.key in chosen
        ],
    }  # fmt: skip
