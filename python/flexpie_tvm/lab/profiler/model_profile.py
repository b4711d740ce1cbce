# SPDX-License-Identifier: Apache-2.0
"""Time whole models on one board: what the sum of their layers is held against."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tvm
from tvm.contrib import graph_executor

from ...codegen import build_boards
from ...cost.records import TileWork
from ...cost.traces import ModelTrace, Setting, read_models
from ...graph import whole
from ...plan import derive
from ...plan.predict.facts import Facts
from ...relay import FlexPiePartition, lower
from ...runtime.board_errors import BOARD_FAILURES, board_error
from ...runtime.session import Session
from .sampler import ProfiledModel
from .tiles import layer_tiles, tile_record
from .timing import spread

REPEATS = 30


def time_model(
    subject: ProfiledModel, session: Session, setting: Setting, cc: str | None = None
) -> ModelTrace:
    """Compile a model for one board as ``flexpie build`` does, and time it there.

    Parameters
    ----------
    subject : ProfiledModel
        The model.
    session : Session
        The board.
    setting : Setting
        Where it happens; kept with the trace.
    cc : str or None
        Compiler that links for the board; None for the host's.

    Returns
    -------
    trace : ModelTrace
        The median of its runs in milliseconds, with their spread.

    Raises
    ------
    BoardError
        If the board is lost.
    """
    target = tvm.target.Target(setting.target)
    single = lower(FlexPiePartition(1, "Single")(subject.module))
    with tempfile.TemporaryDirectory() as scratch:
        (library,) = build_boards(single.boards, [target], Path(scratch), [cc])
        try:
            times = _times(session, library, [p.name_hint for p in single.boards[0]["main"].params])
        except BOARD_FAILURES as error:
            raise board_error(0, error) from None
    middle = float(np.median(times))
    return ModelTrace(
        model_works(subject), middle, spread(times), len(times), subject.name, setting
    )


def untimed(
    store: Path, subjects: Sequence[ProfiledModel], setting: Setting
) -> list[ProfiledModel]:
    """The models of which a trace store has no whole run on such a board.

    Parameters
    ----------
    store : Path
        The trace store, which may be missing.
    subjects : sequence of ProfiledModel
        Told apart by their names.
    setting : Setting
        Where they would be timed.
    """
    known = {(t.origin, t.setting) for t in read_models(store)} if store.is_dir() else set()
    return [subject for subject in subjects if (subject.name, setting) not in known]


def model_works(subject: ProfiledModel) -> tuple[TileWork, ...]:
    """The records of a model's layers, each whole on one board.

    Parameters
    ----------
    subject : ProfiledModel
        The model.
    """
    graph = subject.imported.graph
    owned = {t: (whole(graph.tensors[t].shape),) for layer in graph.layers for t in layer.outputs}
    geometry, memo = derive(graph, owned, 1), Facts()
    works = (
        tile_record(subject.imported, layer, layer_tiles(geometry, layer, 0), memo)
        for layer in graph.layers
    )
    return tuple(work for work in works if work is not None)


def _times(session: Session, library: Path, inputs: Sequence[str]) -> np.ndarray:
    """Milliseconds of single runs, on random inputs."""
    device = session.remote.cpu(0)
    graph = graph_executor.GraphModule(session.load(library)["default"](device))
    fill = session.remote.get_function("tvm.contrib.random.random_fill")
    for name in inputs:
        value = graph.get_input(name)
        if value is not None and value.dtype.startswith("float"):
            fill(value)
    evaluate = graph.module.time_evaluator("run", device, number=1, repeat=REPEATS)
    return np.array(evaluate().results) * 1e3
