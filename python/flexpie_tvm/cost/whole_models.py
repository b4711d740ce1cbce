# SPDX-License-Identifier: Apache-2.0
"""Whole models: the sum of their predicted layers against the time that a board took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .base import Cost
from .records import TileWork
from .traces import ModelTrace, tile_configuration


@dataclass(frozen=True)
class WholeModel:
    """A model on one board.

    Parameters
    ----------
    name : str
        The model.
    layers : int
        Its layers.
    measured, predicted : float
        Milliseconds; predicted is the sum over its layers.
    held_out : float
        Share of the prediction that comes from estimators which were trained without the layer;
        what is left are layers of which no tile was timed.
    """

    name: str
    layers: int
    measured: float
    predicted: float
    held_out: float

    @property
    def error(self) -> float:
        """Relative to what was measured; above 0 if the prediction was too high."""
        return self.predicted / self.measured - 1


def whole_models(
    traces: Sequence[ModelTrace], cost: Cost, known: Mapping[TileWork, float]
) -> list[WholeModel]:
    """Compare every model with the sum of its layers; repeats of a model by their median.

    Parameters
    ----------
    traces : sequence of ModelTrace
        Of one board.
    cost : Cost
        Predicts layers that are not known.
    known : mapping
        Configuration of a tile -> milliseconds, predicted without having seen it.
    """
    groups: dict[str, list[ModelTrace]] = {}
    for trace in traces:
        groups.setdefault(trace.origin, []).append(trace)
    found: list[WholeModel] = []
    for name, group in groups.items():
        works = [tile_configuration(work) for work in group[-1].works]
        measured = float(np.median([trace.ms for trace in group]))
        seen = [work for work in works if work in known]
        others = [work for work in works if work not in known]
        first = sum(known[work] for work in seen)
        total = first + (float(cost.compute(others).sum()) if others else 0.0)
        found.append(WholeModel(name, len(works), measured, total, first / total))
    return found
