# SPDX-License-Identifier: Apache-2.0
"""Random models with random plans, compiled for aarch64 boards and run on emulated ones."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import tvm

from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.plan import Plan
from flexpie_tvm.relay import FlexPiePartition, import_module
from flexpie_tvm.runtime import build
from flexpie_tvm.testing.choices import SeededChoices
from flexpie_tvm.testing.emulator import emulate_whole
from flexpie_tvm.testing.evaluate import Evaluator
from flexpie_tvm.testing.int8_networks import last_step, random_int8
from flexpie_tvm.testing.properties import SMALLEST_RANGE, relative_error
from flexpie_tvm.testing.random_graphs import random_inputs, random_model
from flexpie_tvm.testing.random_plans import random_plan

from .emulated_boards import EmulatedBoards

BOARDS = (2, 3, 4)
#: Channels of a model are multiples of one of these: of no vector, of one, of two.
BLOCKS = (1, 4, 4, 8)
#: Of float32 answers, relative to their range; of int8 answers, in steps of the quantization
#: (a step is what one rounding costs that falls the other way).
LIMIT, STEPS = 1e-4, 2.001


@dataclass(frozen=True)
class EmulatedCase:
    """A model for aarch64 boards, a plan for it, and right answers.

    Parameters
    ----------
    module : tvm.IRModule
        Pre-optimized, or as imported.
    plan : Plan
        For the module.
    inputs : mapping
        Name -> value.
    answers : sequence of ndarray
        Of the model as imported, by kernels that no board has.
    limit : float
        How far boards' answers may be from these, relative to their range.
    is_laid_out : bool
        Whether it is pre-optimized.
    """

    module: tvm.IRModule
    plan: Plan
    inputs: Mapping[str, np.ndarray]
    answers: Sequence[np.ndarray]
    limit: float
    is_laid_out: bool


@dataclass(frozen=True)
class Ran:
    """What became of a case.

    Parameters
    ----------
    error : float
        Largest difference from the right answers, relative to their range.
    chosen : mapping
        (operator, implementation) -> how many of its kernels TVM chose it for.
    """

    error: float
    chosen: Mapping[tuple[str, str], int]


def arm_target(cpu: str) -> str:
    """TVM's target for boards with a processor."""
    return f"llvm -mtriple=aarch64-linux-gnu -mcpu={cpu} -keys=arm_cpu,cpu"


def float_case(seed: int, target: str, evaluator: Evaluator, steps: int = 4) -> EmulatedCase:
    """A float32 model, most often pre-optimized; numpy's answers.

    Parameters
    ----------
    seed : int
        Of all decisions.
    target : str
        Of the boards.
    evaluator : Evaluator
        Keeps operators that are compiled for this machine, because numpy has none of them.
    steps : int
        Blocks of the model, at most.
    """
    choices = SeededChoices(seed)
    model = random_model(choices, steps, choices.pick(BLOCKS))
    is_laid_out = choices.pick((True, True, True, False))
    module = FlexPiePreOptimize(target)(model) if is_laid_out else model
    plan = random_plan(import_module(module).graph, choices.pick(BOARDS), choices)
    inputs = random_inputs(model, seed)
    answers = emulate_whole(model, inputs, evaluator)
    return EmulatedCase(module, plan, inputs, answers, LIMIT, is_laid_out)


def int8_case(seed: int, target: str, folder: Path) -> EmulatedCase:
    """A quantized model; onnxruntime's answers.

    Parameters
    ----------
    seed : int
        Of all decisions.
    target : str
        Of the boards.
    folder : Path
        Where the model is written.
    """
    choices = SeededChoices(seed)
    path = random_int8(choices, folder)
    module = FlexPiePreOptimize(target)(load_onnx(path))
    plan = random_plan(import_module(module).graph, choices.pick(BOARDS), choices)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    inputs = {"image": np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")}
    (answer,) = session.run(None, inputs)
    limit = STEPS * last_step(path) / max(SMALLEST_RANGE, float(np.abs(answer).max()))
    return EmulatedCase(module, plan, inputs, [answer], limit, True)


def run_case(case: EmulatedCase, target: str, boards: EmulatedBoards, folder: Path) -> Ran:
    """Compile a case and run it.

    Parameters
    ----------
    case : EmulatedCase
        What is run.
    target : str
        Of the boards.
    boards : EmulatedBoards
        Which execute it.
    folder : Path
        Where the artifact is written.

    Raises
    ------
    ToolError
        If a board fails or crashes.
    """
    annotated = FlexPiePartition(plan=case.plan)(case.module)
    with chosen_implementations() as chosen:
        artifact = build(annotated, target, folder / "case.flexpie")
    found = boards.run(artifact, case.inputs)
    return Ran(relative_error(found, case.answers, SMALLEST_RANGE), chosen)


@contextmanager
def chosen_implementations() -> Iterator[Counter[tuple[str, str]]]:
    """Which (operator, implementation) TVM chooses while this is entered, by its own log."""
    log, heard = logging.getLogger("te_compiler"), _Heard()
    level = log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        yield heard.chosen
    finally:
        log.removeHandler(heard)
        log.setLevel(level)


class _Heard(logging.Handler):
    """Counts what TVM's compiler says that it uses."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: Counter[tuple[str, str]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Using %s for %s"):
            implementation, operator = record.args[:2]
            self.chosen[operator, implementation] += 1
