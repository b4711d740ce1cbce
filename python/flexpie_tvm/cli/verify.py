# SPDX-License-Identifier: Apache-2.0
"""``--verify``: the whole model on one board by all engines, held against several boards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np

from ..compiler import ImportedModel, Prepared, import_model, prepare
from ..errors import EngineError, InputError, VerifyError
from ..plan import ClusterSpec
from ..relay.targets import targets_of
from ..runtime import (
    TOLERANCE,
    Artifact,
    BuildCache,
    OneBoard,
    Whole,
    baseline,
    build_stock,
    build_whole,
    engines,
    fastest,
    largest_error,
    measure_engine,
    tolerance_of,
)
from ..runtime.one_board import ONNXRUNTIME, TVM
from ..runtime.reference import reference
from ..runtime.session import Session
from .finished import finished_whole, whole_key
from .progress import step


@dataclass(frozen=True)
class Alone:
    """A model made ready for the fastest of an artifact's boards."""

    rank: int
    whole: Whole


def build_alone(
    artifact: Artifact, model: Prepared | None, scratch: Path, cache: BuildCache | None = None
) -> Alone:
    """Compile an artifact's model for one board.

    Parameters
    ----------
    artifact : Artifact
        Of several boards; one for a single board is our own build of it already.
    model : Prepared or None
        As imported for the artifact; None imports it again.
    scratch : Path
        A folder for what is compiled.
    cache : BuildCache, optional
        Where libraries are looked for and kept; by default all are built.

    Raises
    ------
    InputError
        If the artifact does not hold its model.
    """
    if artifact.model is None:
        raise InputError(f"artifact '{artifact.path}' does not hold its model: cannot --verify it")
    rank = ClusterSpec.from_json(artifact.plan["cluster"]).by_speed[0]
    target = artifact.targets[rank]
    file, shapes = artifact.model, {port.name: port.shape for port in artifact.inputs}

    def imported() -> ImportedModel:
        return import_model(file, shapes) if model is None else model.model

    def made(folder: Path) -> Whole:
        ready, whole = model, imported()
        if ready is None or len(set(artifact.targets)) > 1:
            ready = prepare(whole, targets_of(target), artifact.precision)
        return build_whole(whole.module, ready.layers, target, file, folder, cache)

    with step("Compiling for one board"):
        if artifact.boards == 1:
            library, refused = build_stock(imported().module, target, scratch, cache)
            return Alone(rank, Whole(target, library, artifact, file, refused))
        key = cache and whole_key(file, shapes, target, artifact.precision)
        return Alone(rank, finished_whole(cache, key, target, file, scratch / "alone", made))


def measure_alone(
    whole: Whole,
    session: Session,
    inputs: Mapping[str, np.ndarray],
    repeat: int,
    onnxruntime: Callable[[], AbstractContextManager[Session]],
) -> dict[str, OneBoard]:
    """What every engine gives on one board; ``onnxruntime`` says where it is asked for.

    Where it cannot be had, the answers of an engine on this machine are held against ours.
    """
    found = {}
    for name, opened in engines(whole, session, inputs, onnxruntime).items():
        with step(f"Running on one board, {name}"):
            tolerance = tolerance_of(name, whole.artifact.precision)
            found[name] = measure_engine(opened, inputs, repeat, tolerance)
    if found[ONNXRUNTIME].missing:
        tolerance = tolerance_of(ONNXRUNTIME, whole.artifact.precision)
        found[ONNXRUNTIME] = _answered_here(found[ONNXRUNTIME], whole.model, inputs, tolerance)
    return found


def _answered_here(
    board: OneBoard, model: Path, inputs: Mapping[str, np.ndarray], tolerance: float
) -> OneBoard:
    try:
        with step("Running on this machine"):
            known = reference(model, inputs)
    except EngineError:
        return board
    return replace(
        board,
        answers=known.answers,
        limit=max(tolerance, known.limit),
        tolerance=tolerance,
        by=known.engine,
    )


@dataclass(frozen=True)
class Verdict:
    """Several boards beside one.

    Parameters
    ----------
    engines : dict
        Engine -> median milliseconds on one board, None where it was not measured.
    missing : dict
        Engine -> why it was not measured.
    elsewhere : dict
        Engine -> who computed its answers on this machine, where the board could not.
    stock_error : float or None
        Largest difference of TVM's answers on one board from onnxruntime's; None without both.
    errors, limits : dict
        Engine -> largest difference of the several boards' answers from its own, relative to
        the range of its own; and how much that may be.
    tolerances : dict
        Engine -> how much that may be where its own answers are exact.
    fastest : str
        The engine with the least milliseconds.
    speedup : float
        Its milliseconds by those of several boards.
    """

    engines: dict[str, float | None]
    missing: dict[str, str]
    errors: dict[str, float]
    limits: dict[str, float]
    tolerances: dict[str, float]
    fastest: str
    speedup: float
    elsewhere: dict[str, str] = field(default_factory=dict)
    stock_error: float | None = None

    @property
    def beyond(self) -> list[str]:
        """Engines whose answers differ by more than their limit."""
        return [name for name, error in self.errors.items() if not error <= self.limits[name]]

    @property
    def sides(self) -> list[str]:
        """Those of them that tell against the several boards."""
        return [name for name in self.beyond if name != TVM or not self.stock_is_away]

    @property
    def stock_is_away(self) -> bool:
        """Whether it is TVM's one board that is away from the standard, and not the several.

        These are then as near to onnxruntime's answers as they must be, whatever onnxruntime
        itself is allowed, and nearer than TVM's.
        """
        if self.stock_error is None:
            return False
        error = self.errors[ONNXRUNTIME]
        return error <= self.tolerances[ONNXRUNTIME] and error < self.stock_error

    def check(self, where: str = "") -> None:
        """``VerifyError`` that names the engines whose answers differ, and ``where`` they begin."""
        sides = [
            f"{name} by {self.errors[name]:.2e} of their range, more than {self.limits[name]:.0e}"
            for name in self.sides
        ]
        if sides:
            end = f"; {where}" if where else ""
            raise VerifyError(f"answers differ from one board's with {', with '.join(sides)}{end}")

    def lines(self) -> list[str]:
        """What is said of it."""
        told = [
            f"{name}: {self.missing[name]}" if ms is None else f"{name} {ms:.2f} ms"
            for name, ms in self.engines.items()
        ]
        errors = [f"{name} {error:.1e}" for name, error in self.errors.items()]
        lines = [
            f"one board: {', '.join(told)}",
            f"speedup: {self.speedup:.2f} against {baseline(self.fastest, self.missing)}",
            f"largest relative error: {', '.join(errors)} ({_limits(self.tolerances)})",
        ]
        for name, by in self.elsewhere.items():
            if by == name:
                lines.append(f"{name}'s answers were computed on this machine")
            else:
                lines.append(f"answers of {by} on this machine stand in for {name}'s")
        if ONNXRUNTIME in self.engines and ONNXRUNTIME not in self.errors:
            lines.append(
                "no engine but TVM takes the model: nothing tells whether it was read right"
            )
        if TVM in self.beyond and self.stock_is_away:
            standard = self.elsewhere.get(ONNXRUNTIME, ONNXRUNTIME)
            lines.append(
                f"TVM on one board is itself {self.stock_error:.1e} from {standard}, more than the "
                "several boards are: what it differs by does not count"
            )
        for name, limit in self.limits.items():
            if limit > self.tolerances[name]:
                lines.append(
                    f"{name}'s limit is {limit:.0e}: its own answers differ by half of that with "
                    "and without its graph optimizations"
                )
        return lines


def _limits(tolerances: Mapping[str, float]) -> str:
    if len(set(tolerances.values())) <= 1:
        return f"limit {next(iter(tolerances.values()), TOLERANCE):.0e}"
    told = ", ".join(f"{name} {tolerance:.0e}" for name, tolerance in tolerances.items())
    return f"limits of fp16: {told}"


def judge(answers: list[np.ndarray], ms: list[float], found: Mapping[str, OneBoard]) -> Verdict:
    """Hold several boards' answers and milliseconds against one board's."""
    medians = {name: one.median_ms for name, one in found.items()}
    answered = {name: one for name, one in found.items() if not one.missing or one.by}
    best = fastest(medians)
    witnesses = [answered[name].answers for name in (TVM, ONNXRUNTIME) if name in answered]
    return Verdict(
        engines=medians,
        missing={name: one.missing for name, one in found.items() if one.missing},
        errors={name: largest_error(answers, one.answers) for name, one in answered.items()},
        limits={name: one.limit for name, one in answered.items()},
        tolerances={name: one.tolerance for name, one in answered.items()},
        fastest=best,
        speedup=medians[best] / median(ms),
        elsewhere={name: one.by for name, one in found.items() if one.by},
        stock_error=largest_error(*witnesses) if len(witnesses) == 2 else None,
    )
