# SPDX-License-Identifier: Apache-2.0
"""``flexpie demo``: PP-OCRv4 text detection over local boards, every scheme, with a picture."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import numpy as np

from ..errors import InputError
from ..extras import require
from ..runtime import (
    ENGINES,
    BuildCache,
    Cluster,
    OneBoard,
    baseline,
    beside_local_boards,
    fastest,
    largest_error,
    local_boards,
)
from .cache import cache_option
from .demo_builds import DemoBuilds
from .options import PlanOptions
from .own_costs import calibrate_option, with_own_costs
from .progress import step
from .verify import measure_alone

MODEL = ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx")
PAGE = ("skimage", "data/page.png")
SCHEMES = ("InH", "InW", "OutC", "2D-grid", "auto")
INPUT = "x"
REFERENCE = ENGINES[0]


@dataclass(frozen=True)
class Result:
    """One way of cutting, measured."""

    scheme: str
    latency_ms: float
    bytes_exchanged: int
    heat: np.ndarray


@click.command("demo")
@click.option("--boards", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--size",
    type=click.IntRange(32),
    default=640,
    show_default=True,
    help="Edge of the square input; a multiple of 32.",
)
@click.option("--repeat", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the picture.",
)
@cache_option
@calibrate_option
def command(
    boards: int, size: int, repeat: int, output: Path, cache: BuildCache | None, own: bool
) -> None:
    """Find the text on a page with PP-OCRv4 over local boards."""
    if size % 32:
        raise InputError(f"--size {size} is not a multiple of 32")
    model, page_file = _packaged(*MODEL), _packaged(*PAGE)
    images = require("PIL.Image", "the demo")
    from ..demo.page import draw, find_boxes, to_input

    page = images.open(page_file)
    tensor, scale = to_input(page, size)
    click.echo(
        f"PP-OCRv4 text detection, {size}x{size}, {boards} local boards with one thread each"
    )
    options = PlanOptions({INPUT: tensor.shape}, boards)
    if own:
        options = with_own_costs(options, 1, cache)
    one_board, results = _run_all(model, tensor, options, repeat, cache)
    _print_table(one_board, results)
    best = min(results, key=lambda r: r.latency_ms)
    picture = draw(
        page,
        [
            (f"{boards} boards, {best.scheme}", find_boxes(best.heat, scale)),
            ("one board", find_boxes(one_board[REFERENCE].answers[0], scale)),
        ],
    )
    output.mkdir(parents=True, exist_ok=True)
    path = output / "page_text_boxes.png"
    picture.save(path)
    click.echo(f"picture: {path.resolve()}")


def _run_all(
    model: Path, tensor: np.ndarray, options: PlanOptions, repeat: int, cache: BuildCache | None
) -> tuple[dict[str, OneBoard], list[Result]]:
    inputs, boards = {INPUT: tensor}, options.cluster().boards
    with tempfile.TemporaryDirectory() as scratch:
        builds = DemoBuilds(model, options, Path(scratch), cache)
        artifacts = [builds.artifact(scheme) for scheme in SCHEMES]
        whole = builds.whole()
        with (
            local_boards(boards) as local,
            Cluster.connect((local.host, local.port), local.key, boards) as connected,
        ):
            results = []
            for artifact in artifacts:
                with step(f"Running {artifact.scheme}"), connected.deploy(artifact) as deployment:
                    (heat,) = deployment.run(inputs)
                    latency = median(deployment.latency(inputs, repeat))
                    sent = artifact.bytes_exchanged
                    results.append(Result(artifact.scheme, latency, sent, heat))
            first = connected.sessions[0]
            one_board = measure_alone(
                whole, first, inputs, repeat, lambda: beside_local_boards(local)
            )
    return one_board, results


def _print_table(one_board: dict[str, OneBoard], results: list[Result]) -> None:
    alone = {name: one.median_ms for name, one in one_board.items()}
    best = fastest(alone)
    measured = [name for name in one_board if alone[name] is not None]
    rows = [(f"one board, {name}", alone[name], "", one_board[name].answers) for name in measured]
    rows += [(r.scheme, r.latency_ms, f"{r.bytes_exchanged / 1e6:.2f}", [r.heat]) for r in results]
    differences = "".join(f"{f'diff {name}':>18}" for name in measured)
    head = f"{'':<24}{'latency ms':>12}{'speedup':>9}{'MB exchanged':>14}"
    click.echo(head + differences)
    for name, ms, sent, answers in rows:
        errors = [largest_error(answers, one_board[other].answers) for other in measured]
        click.echo(
            f"{name:<24}{ms:>12.1f}{alone[best] / ms:>9.2f}{sent:>14}"
            + "".join(f"{error:>18.1e}" for error in errors)
        )
    unmeasured = [name for name in one_board if name not in measured]
    for name in unmeasured:
        click.echo(f"one board, {name}: {one_board[name].missing}")
    click.echo(f"speedup: against {baseline(best, unmeasured)}")


def _packaged(package: str, file: str) -> Path:
    """A data file of an installed package."""
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise InputError(f"the demo needs {package}'s {file}: pip install 'flexpie-tvm[demo]'")
    return path
