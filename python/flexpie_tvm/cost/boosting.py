# SPDX-License-Identifier: Apache-2.0
"""How trees are grown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .rows import RowLayout
from .trees import Trees

#: Trees at most, and how they are grown; chosen by cross-validation on both data sources.
ROUNDS = 150
#: Shares of them that are tried: few measurements teach no more in the last rounds.
ROUND_SHARES = 0.4, 2 / 3, 1.0
BOOSTING = {
    "max_depth": 6,
    "eta": 0.13,
    "min_child_weight": 2,
    "reg_lambda": 0.5,
    "tree_method": "hist",
    "max_bin": 512,
    "nthread": 1,
}


@dataclass(frozen=True)
class Way:
    """What the trees of an estimator learn.

    Parameters
    ----------
    loss : mapping
        What they minimise, as xgboost calls it.
    share : float
        Exponent of the base that they correct: with less than 1 they learn a part of its growth.
    """

    loss: Mapping[str, str | float]
    share: float


#: The square of the error finds steps, such as of a cache that overflows; nearly its absolute
#: value is not bent by single odd tiles. (The absolute value itself would not do: xgboost then
#: moves leaves without regard to the constraints.) Trees may never fall in what grows, so they
#: cannot correct a base that is too low where there is little to do and right elsewhere, as with
#: messages that some boards need not wait for; those on the root of the base can.
WAYS = {
    "square": Way({"objective": "reg:squarederror"}, 1.0),
    "absolute": Way({"objective": "reg:pseudohubererror", "huber_slope": 0.05}, 1.0),
    "root": Way({"objective": "reg:squarederror"}, 0.5),
}


def boost(
    features: np.ndarray,
    target: np.ndarray,
    layout: RowLayout,
    rounds: int,
    loss: Mapping[str, str | float],
) -> Trees:
    """Trees that predict a target from features.

    Parameters
    ----------
    features : numpy.ndarray
        The columns of a layout, the sort, and the logarithm of the base.
    target : numpy.ndarray
        What they learn.
    layout : RowLayout
        It says in which columns, besides the last, they may never fall.
    rounds : int
        Their number.
    loss : mapping
        Of a `Way`.
    """
    import xgboost

    fixed = len(layout.columns) + 1 - layout.growing
    settings: dict[str, Any] = {
        **BOOSTING,
        **loss,
        "base_score": float(np.median(target)),
        "monotone_constraints": (1,) * layout.growing + (0,) * fixed + (1,),
    }
    booster = xgboost.train(settings, xgboost.DMatrix(features, target), rounds)
    return Trees.of(json.loads(booster.save_raw("json")))
