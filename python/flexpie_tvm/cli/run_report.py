# SPDX-License-Identifier: Apache-2.0
"""What ``flexpie run`` prints and writes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
import numpy as np

from ..machine import FP16
from ..plan import Timeline
from ..runtime import ENGINES, Artifact
from ..runtime.frame_rate import FrameTimes
from .verify import Verdict

TVM = ENGINES[0]
ONE_BOARD = (
    "single_board_ms", "single_board", "single_board_missing", "fastest_single_board", "speedup",
    "max_rel_err", "rel_err", "rel_err_limit", "tvm_from_onnxruntime",
)  # fmt: skip


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    Parameters
    ----------
    outputs : list of numpy.ndarray
        The answers.
    latencies : list of float
        Milliseconds of each timed inference.
    timeline : Timeline
        Of the last inference.
    boards : list of dict
        Seconds and bytes of an inference on each board.
    stream : FrameTimes or None
        Of ``--stream``.
    verdict : Verdict or None
        Of ``--verify``.
    where : str
        Where answers begin to differ, if they do.
    """

    outputs: list[np.ndarray]
    latencies: list[float]
    timeline: Timeline
    boards: list[dict[str, float]]
    stream: FrameTimes | None = None
    verdict: Verdict | None = None
    where: str = ""


def report(artifact: Artifact, measured: RunResult, output: Path | None, metrics: Path | None):
    """Print the result, write the files, fail if the answers differ."""
    verdict = measured.verdict
    if output:
        save_answers(output, [p.name for p in artifact.outputs], measured.outputs)
    found = metrics_of(artifact, measured, verdict)
    if metrics:
        metrics.write_text(json.dumps(found, indent=1) + "\n")
    latency = found["latency_ms"]
    click.echo(
        f"{artifact.boards} boards, {_way(artifact)}: median {latency['median']:.2f} ms "
        f"(min {latency['min']:.2f}, max {latency['max']:.2f}), "
        f"{artifact.bytes_exchanged} bytes exchanged"
    )
    if stream := measured.stream:
        click.echo(
            f"stream: {stream.frames_per_second:.2f} frames/s, a frame in flight for "
            f"{stream.quantile(0.5):.2f} ms, 95 of 100 for at most {stream.quantile(0.95):.2f} ms"
        )
    if verdict is not None:
        for line in verdict.lines():
            click.echo(line)
        verdict.check(measured.where)


def _way(artifact: Artifact) -> str:
    narrow = artifact.precision == FP16
    return f"{artifact.scheme}, {artifact.precision}" if narrow else artifact.scheme


def save_answers(path: Path, names: list[str], answers: list[np.ndarray]) -> None:
    """Write an .npz; unlike numpy.savez this takes any name, also ``file``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, answer in zip(names, answers, strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, answer, allow_pickle=False)


def metrics_of(artifact: Artifact, measured: RunResult, verdict: Verdict | None) -> dict:
    """What ``--json`` writes."""
    times, stream = measured.latencies, measured.stream
    return {
        "latency_ms": {"median": median(times), "min": min(times), "max": max(times)},
        "frames_per_second": stream and stream.frames_per_second,
        "frame_ms": stream and {"median": stream.quantile(0.5), "p95": stream.quantile(0.95)},
        **_one_board(verdict),
        "boards": artifact.boards,
        "scheme": artifact.scheme,
        "precision": artifact.precision,
        "predicted_ms": artifact.plan["notes"].get("predicted_ms"),
        "topology": artifact.topology,
        "bytes_exchanged": artifact.bytes_exchanged,
        "bytes_forwarded": artifact.bytes_forwarded,
        "per_board": measured.boards,
        "memory": artifact.plan["memory"],
        "plan": artifact.plan,
    }


def _one_board(verdict: Verdict | None) -> dict:
    """The part of ``--verify``; all of it is null without."""
    if verdict is None:
        return dict.fromkeys(ONE_BOARD)
    errors = verdict.errors
    return {
        "single_board_ms": verdict.engines[TVM],
        "single_board": _by_key(verdict.engines),
        "single_board_missing": _by_key(verdict.missing),
        "fastest_single_board": verdict.fastest.lower(),
        "speedup": verdict.speedup,
        "max_rel_err": errors.get(TVM),
        "rel_err": _by_key({name: errors.get(name) for name in verdict.engines}),
        "rel_err_limit": _by_key({name: verdict.limits.get(name) for name in verdict.engines}),
        "tvm_from_onnxruntime": verdict.stock_error,
    }


def _by_key(values: Mapping[str, object]) -> dict[str, object]:
    return {name.lower(): value for name, value in values.items()}
