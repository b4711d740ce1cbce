# SPDX-License-Identifier: Apache-2.0
"""``flexpie demo``: PP-OCRv4 text detection over local boards, every scheme, with a picture."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import click
import numpy as np

from ..errors import InputError
from ..runtime import Cluster, SingleBoard, build_single, local_boards, relative_error
from .costs import cost_model
from .options import PlanOptions, target_texts
from .pipeline import compile_model, load_model, partition_pass, plan_model
from .progress import step

MODEL = ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx")
PAGE = ("skimage", "data/page.png")
SCHEMES = ("InH", "InW", "OutC", "2D-grid", "auto")
INPUT = "x"


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
def command(boards: int, size: int, repeat: int, output: Path) -> None:
    """Find the text on a page with PP-OCRv4 over local boards."""
    if size % 32:
        raise InputError(f"--size {size} is not a multiple of 32")
    from PIL import Image

    model, page_file = _packaged(*MODEL), _packaged(*PAGE)
    from ..demo.page import draw, find_boxes, to_input

    page = Image.open(page_file)
    tensor, scale = to_input(page, size)
    click.echo(
        f"PP-OCRv4 text detection, {size}x{size}, {boards} local boards with one thread each"
    )
    one_board, results = _run_all(model, tensor, boards, repeat)
    reference = _onnxruntime(model, tensor)
    _print_table(one_board, results, reference)
    best = min(results, key=lambda r: r.latency_ms)
    picture = draw(
        page,
        [
            (f"{boards} boards, {best.scheme}", find_boxes(best.heat, scale)),
            ("one board", find_boxes(one_board.heat, scale)),
        ],
    )
    output.mkdir(parents=True, exist_ok=True)
    path = output / "page_text_boxes.png"
    picture.save(path)
    click.echo(f"picture: {path.resolve()}")


def _run_all(
    model: Path, tensor: np.ndarray, boards: int, repeat: int
) -> tuple[Result, list[Result]]:
    inputs = {INPUT: tensor}
    with tempfile.TemporaryDirectory() as scratch:
        options = PlanOptions({INPUT: tensor.shape}, boards)
        cluster = options.cluster()
        cost = cost_model((), cluster, target_texts(options, cluster), threads=1)
        loaded = load_model(model, options, cluster)
        artifacts = []
        for scheme in SCHEMES:
            chosen = partition_pass(replace(options, scheme=scheme), cluster, cost)
            done = plan_model(loaded, chosen, cost)
            artifacts.append(compile_model(done, Path(scratch) / f"{scheme}.flexpie"))
        with step("Compiling for one board"):
            whole = build_single(loaded.whole, loaded.targets[0], Path(scratch) / "whole.so")
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
            first, target = connected.sessions[0], loaded.targets[0]
            with step("Running on one board"), SingleBoard(first, whole, target) as single:
                (heat,) = single.run(inputs)
                latency = median(single.latency(inputs, repeat))
    return Result("one board", latency, 0, heat), results


def _onnxruntime(model: Path, tensor: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {INPUT: tensor})[0]


def _print_table(one_board: Result, results: list[Result], reference: np.ndarray) -> None:
    columns = ("scheme", "latency ms", "x one board", "MB exchanged", "diff one board", "diff ort")
    click.echo("{:<14}{:>12}{:>13}{:>14}{:>16}{:>12}".format(*columns))
    for result in (one_board, *results):
        click.echo(
            f"{result.scheme:<14}{result.latency_ms:>12.1f}"
            f"{one_board.latency_ms / result.latency_ms:>13.2f}"
            f"{result.bytes_exchanged / 1e6:>14.2f}"
            f"{relative_error(result.heat, one_board.heat):>16.1e}"
            f"{relative_error(result.heat, reference):>12.1e}"
        )


def _packaged(package: str, file: str) -> Path:
    """A data file of an installed package."""
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise InputError(f"the demo needs {package}'s {file}: pip install 'flexpie-tvm[demo]'")
    return path
