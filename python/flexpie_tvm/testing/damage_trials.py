# SPDX-License-Identifier: Apache-2.0
"""Damaged files are given to their readers: each must end well, or with one sentence of ours.

Of what a reader takes in spite of the damage it is asked whether it could give a wrong answer: a
plan must own every element of every tensor once and send what is needed, a cost model must say
finite times above zero, an artifact must be the one that was saved unless its digest was made
right again, an ONNX file must give what onnxruntime answers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tvm

from ..cost import load_cost
from ..errors import FlexPieError
from ..frontend.onnx_model import load_onnx
from ..graph import Graph
from ..plan import Plan, load_cluster, load_plan
from ..runtime import load_artifact, relative_error, run_whole
from ..runtime.manifest import digest
from .damage import damaged_bytes, damaged_json, damaged_onnx, damaged_toml

#: Seconds that a reader may take: a model with a huge size is refused by then, not computed.
PATIENCE = 60
#: Of answers, to the range of the right ones.
TOLERANCE = 1e-4


class Hang(Exception):
    """A reader took too long."""


@dataclass(frozen=True)
class Trial:
    """What came of one damaged file.

    Parameters
    ----------
    kind : str
        Of file.
    seed : int
        That made it.
    outcome : str
        ``accepted``, ``refused``, or what went wrong.
    seconds : float
        That the reader took.
    """

    kind: str
    seed: int
    outcome: str
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it ended well."""
        return self.outcome in ("accepted", "refused")


@dataclass(frozen=True)
class Subject:
    """Right files, and what belongs to them.

    Parameters
    ----------
    plan, cluster, cost, artifact, onnx : Path
        The files; of the artifact its folder.
    graph : Graph
        Of the plan's model.
    """

    plan: Path
    cluster: Path
    cost: Path
    artifact: Path
    onnx: Path
    graph: Graph


def try_one(kind: str, subject: Subject, seed: int, scratch: Path) -> Trial:
    """Damage a file, read it, and tell what came of it."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    try:
        with _alarm(PATIENCE):
            outcome = TRIALS[kind](subject, rng, scratch)
    except Hang:
        outcome = f"no end within {PATIENCE} s"
    except FlexPieError as error:
        text = str(error)
        outcome = "refused" if text and "\n" not in text else f"no sentence: {text!r}"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"[:300]
    return Trial(kind, seed, outcome, time.perf_counter() - start)


def _plan(subject: Subject, rng: np.random.Generator, scratch: Path) -> str:
    file = _written(scratch / "plan.json", damaged_json(subject.plan.read_bytes(), rng))
    plan = load_plan(file)
    return _owned_once(subject.graph, plan)


def _owned_once(graph: Graph, plan: Plan) -> str:
    """By brute force: what boards own, hold and send, element by element."""
    geometry = plan.geometry(graph)
    for tensor, regions in geometry.owned.items():
        count = np.zeros(graph.tensors[tensor].shape, int)
        for region in regions:
            count[region.slices()] += 1
        exchange = next((e for e in geometry.exchanges if e.tensor == tensor), None)
        if exchange is not None and exchange.combine != "copy":
            continue  # partial results: every board has some of every element
        if not (count == 1).all():
            return f"tensor {graph.tensors[tensor].name} is owned {count.min()} to {count.max()}x"
        for board, need in enumerate(geometry.need[tensor]):
            held = np.zeros(count.shape, bool)
            held[regions[board].slices()] = True
            for message in exchange.receives(board) if exchange else ():
                held[message.region.slices()] = True
            if not held[need.slices()].all():
                return f"board {board} lacks some of tensor {graph.tensors[tensor].name}"
    return "accepted"


def _cluster(subject: Subject, rng: np.random.Generator, scratch: Path) -> str:
    file = _written(scratch / "cluster.toml", damaged_toml(subject.cluster.read_bytes(), rng))
    cluster = load_cluster(file)
    said = [*cluster.shares, cluster.bandwidth, *cluster.links.bandwidth]
    return "accepted" if np.isfinite(said).all() and min(said) > 0 else f"takes {said}"


def _cost(subject: Subject, rng: np.random.Generator, scratch: Path) -> str:
    data, file = subject.cost.read_bytes(), scratch / "model.cost"
    if rng.integers(4) == 0:
        _written(file, damaged_bytes(data, rng))
    else:
        text = damaged_json(gzip.decompress(data), rng, _mended_cost)
        _written(file, gzip.compress(text, compresslevel=1))
    load_cost(file)
    return "accepted"


def _mended_cost(whole: Any) -> Any:
    if isinstance(whole, dict):
        text = json.dumps(whole.get("content"), sort_keys=True)
        whole["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return whole


def _artifact(subject: Subject, rng: np.random.Generator, scratch: Path) -> str:
    """One of its files in turn; libraries and model stay where they are."""
    whole, mended = load_artifact(subject.artifact), bool(rng.integers(2))
    folder = scratch / "damaged.flexpie"
    folder.mkdir(exist_ok=True)
    files = [file for file in subject.artifact.iterdir() if file.is_file()]
    for file in files:
        link = folder / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    chosen = files[rng.integers(len(files))] if not mended else subject.artifact / "artifact.json"
    data = chosen.read_bytes()
    if mended:
        data = damaged_json(data, rng, _mended_manifest)
    else:
        change = damaged_json if chosen.suffix == ".json" else damaged_bytes
        data = change(data, rng)
    (folder / chosen.name).unlink()
    _written(folder / chosen.name, data)
    read = load_artifact(folder)
    if mended:
        return "accepted"
    same = {**read.__dict__, "path": None} == {**whole.__dict__, "path": None}
    return "accepted" if same else "another artifact than was saved"


def _mended_manifest(manifest: Any) -> Any:
    if isinstance(manifest, dict):
        manifest["digest"] = digest(manifest)
    return manifest


def _onnx(subject: Subject, rng: np.random.Generator, scratch: Path) -> str:
    file = _written(scratch / "model.onnx", damaged_onnx(subject.onnx.read_bytes(), rng))
    mod = load_onnx(file)
    expected, inputs = _by_onnxruntime(file, mod, rng)
    if expected is None:
        return "accepted"  # it is no model of the standard, and nobody knows what it means
    answers = run_whole(mod, "llvm", inputs)
    with np.errstate(all="ignore"):
        for answer, right in zip(answers, expected, strict=True):
            if answer.shape != right.shape or relative_error(answer, right) > TOLERANCE:
                return f"another answer than onnxruntime's: {answer.shape}, {right.shape}"
    return "accepted"


def _by_onnxruntime(file: Path, mod: tvm.IRModule, rng: np.random.Generator) -> tuple:
    """What another engine answers, and to what; None if it refuses the model."""
    import onnxruntime  # a lab tool: the test extra brings it

    inputs = {}
    for param in mod["main"].params:
        kind = param.checked_type
        shape = [int(size) for size in kind.shape]
        inputs[param.name_hint] = rng.normal(size=shape).astype(kind.dtype)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(file, options)
        return session.run(None, inputs), inputs
    except Exception:  # of any type of its own
        return None, inputs


TRIALS: Mapping[str, Callable[[Subject, np.random.Generator, Path], str]] = {
    "plan": _plan,
    "cluster": _cluster,
    "cost": _cost,
    "artifact": _artifact,
    "onnx": _onnx,
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """`Hang` in this, the main thread, once so many seconds are over."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
