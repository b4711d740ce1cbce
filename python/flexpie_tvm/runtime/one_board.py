# SPDX-License-Identifier: Apache-2.0
"""The whole model on one board, by every engine that a user could run there instead.

=============  ==================================================================
TVM            TVM's own pipeline and kernels
flexpie        ours: pre-optimized, all on one board, with the kernels of tiles
onnxruntime    the ONNX file, where the board or this machine has onnxruntime
=============  ==================================================================

Inputs and answers of all three go the way of a deployment's. What several boards are worth is
told against the fastest of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

import numpy as np

from ..errors import EngineError
from ..frontend.file_kind import is_tflite
from ..machine import FP16
from .compare import FP16_OWN_TOLERANCE, FP16_TOLERANCE, TOLERANCE
from .deployment import Deployment
from .onnxruntime_board import OnnxruntimeBoard
from .session import Session
from .single import SingleBoard
from .whole import Whole

TVM, FLEXPIE, ONNXRUNTIME = "TVM", "flexpie", "onnxruntime"
#: What computes on one board.
ENGINES = (TVM, FLEXPIE, ONNXRUNTIME)
# A slow board may take a minute for a model that is meant for several.
PATIENCE = 600.0


class Runnable(Protocol):
    """A model that is ready to run: a deployment, or an engine on one board."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """One inference, end to end."""

    def run_in_place(self) -> object:
        """One inference on the inputs that are there already; the answer stays there."""

    def latency(self, inputs: Mapping[str, np.ndarray], repeat: int) -> list[float]:
        """Milliseconds of inferences, end to end, after warm-up."""


Opened = Callable[[], AbstractContextManager[Runnable]]


@dataclass(frozen=True)
class OneBoard:
    """What one engine gave on one board.

    Parameters
    ----------
    ms : list of float
        Milliseconds of each timed inference; empty if it was not measured.
    answers : list of numpy.ndarray
        Its answers.
    limit : float
        How far others' answers may be from these, relative to their range: the tolerance, or
        more where onnxruntime is not as exact.
    missing : str
        Why it was not measured; empty if it was.
    by : str
        Who computed the answers, where it was not the engine on the board.
    tolerance : float
        Of answers of a model of its precision (`tolerance_of`).
    """

    ms: list[float] = field(default_factory=list)
    answers: list[np.ndarray] = field(default_factory=list)
    limit: float = TOLERANCE
    missing: str = ""
    by: str = ""
    tolerance: float = TOLERANCE

    @property
    def median_ms(self) -> float | None:
        """None if it was not measured."""
        return median(self.ms) if self.ms else None


def engines(
    whole: Whole,
    session: Session,
    inputs: Mapping[str, np.ndarray],
    onnxruntime: Callable[[], AbstractContextManager[Session]],
) -> dict[str, Opened]:
    """All engines of a board.

    Parameters
    ----------
    whole : Whole
        The model.
    session : Session
        The board.
    inputs : mapping
        Input name -> array.
    onnxruntime : callable
        Gives the session on which onnxruntime is asked for.

    Returns
    -------
    engines : dict
        Name -> callable that makes the model ready to run while its context lasts. It raises
        `EngineError` where the engine cannot be had.
    """

    @contextmanager
    def on_tvm():
        if whole.library is None:
            raise EngineError(f"it does not compile the model ({whole.refused})")
        with SingleBoard(session, whole.library, whole.target, PATIENCE) as board:
            yield board

    @contextmanager
    def on_onnxruntime():
        if is_tflite(whole.model):
            raise EngineError("it does not read TensorFlow Lite")
        with (
            onnxruntime() as place,
            OnnxruntimeBoard(place, whole.model, inputs, whole.target, PATIENCE) as board,
        ):
            yield board

    return {
        TVM: on_tvm,
        FLEXPIE: lambda: Deployment(whole.artifact, [session], PATIENCE),
        ONNXRUNTIME: on_onnxruntime,
    }


def tolerance_of(engine: str, precision: str) -> float:
    """How far answers of several boards may be from an engine's, relative to their range.

    Parameters
    ----------
    engine : str
        One of `ENGINES`; all but ours compute in float32.
    precision : {"fp32", "fp16"}
        What the boards compute in.
    """
    if precision != FP16:
        return TOLERANCE
    return FP16_OWN_TOLERANCE if engine == FLEXPIE else FP16_TOLERANCE


def measure_engine(
    opened: Opened,
    inputs: Mapping[str, np.ndarray],
    repeat: int,
    tolerance: float = TOLERANCE,
) -> OneBoard:
    """Answers and latencies of one engine; or why there are none.

    Parameters
    ----------
    opened : callable
        Gives the engine as a context manager, which sets it up on the board and removes it.
    inputs : mapping
        Input name -> array.
    repeat : int
        Inferences that are timed.
    tolerance : float
        Largest error, relative to an answer's range, that counts as none.

    Returns
    -------
    measured : OneBoard
        Latencies in milliseconds; if the engine cannot run the model, ``missing`` says why.
    """
    try:
        with opened() as engine:
            answers, ms = engine.run(inputs), engine.latency(inputs, repeat)
            limit = _limit(engine, inputs, tolerance)
            return OneBoard(ms, answers, limit, tolerance=tolerance)
    except EngineError as error:
        return OneBoard(missing=str(error))


def _limit(engine: Runnable, inputs: Mapping[str, np.ndarray], tolerance: float) -> float:
    if not isinstance(engine, OnnxruntimeBoard):
        return tolerance
    try:
        # either of its answers may be off by as much as they differ
        return max(tolerance, 2 * engine.doubt(inputs))
    except EngineError:  # it may need its optimizations
        return tolerance


def fastest(ms: Mapping[str, float | None]) -> str | None:
    """The engine with the least milliseconds, of those that were measured; None if none was.

    Parameters
    ----------
    ms : mapping
        Engine -> milliseconds, or None if it was not measured.
    """
    measured = {name: value for name, value in ms.items() if value is not None}
    return min(measured, key=measured.get, default=None)


def baseline(engine: str, missing: Collection[str]) -> str:
    """What a speedup is told against: the fastest engine, and whether all were measured.

    Parameters
    ----------
    engine : str
        The fastest.
    missing : collection of str
        Engines that were not measured.
    """
    return f"{engine}, the fastest on one board{' that was measured' if missing else ''}"
