# SPDX-License-Identifier: Apache-2.0
"""Costs learned from the FlexPie authors' measurements on TMS320C6678 boards.

1x1 convolutions and depthwise 3x3 convolutions, transfers and local rearrangement are
learned; any other layer is `Analytic` with the arithmetic rate that the measurements show.
The data is not part of this project.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xgboost

from flexpie_tvm.cost import Analytic, Cost, Links, Transfer
from flexpie_tvm.cost.network import transfer_seconds

CORES, HERTZ = 8, 1e9
FILES = ("convfortest.csv", "tranfortest.csv", "resetfortest.csv")


class C6678(Cost):
    """GBDT costs of C6678 boards; the host's link is free, as in the paper's figures."""

    name = "c6678"
    monotone = True

    def __init__(self, folder: Path):
        missing = [f for f in FILES if not (folder / f).is_file()]
        if missing:
            raise SystemExit(
                f"{folder} has no {missing[0]}: this table needs the authors' measurements"
            )
        conv, move, reset = (np.loadtxt(folder / f, delimiter=",") for f in FILES)
        self._elsewhere = Analytic(gflops=17.0, memory_bandwidth=8e9, overhead=1e-5)
        self._conv = {
            kind: _Monotone(conv[conv[:, 0] == kind][:, 1:5], conv[conv[:, 0] == kind][:, -1])
            for kind in (1, 2)
        }
        self._move = {
            rate: _Monotone(move[move[:, 0] == rate][:, 1:2], move[move[:, 0] == rate][:, 2])
            for rate in np.unique(move[:, 0])
        }
        self._reset = _Monotone(reset[:, :1], reset[:, 1])

    def compute(self, tiles):
        """Milliseconds of each tile."""
        times = self._elsewhere.compute(tiles)
        for kind, family in ((1, "pointwise"), (2, "depthwise")):
            chosen = [
                i for i, t in enumerate(tiles)
                if t.conv_type == family and (kind == 1 or t.kernel == (3, 3))
            ]
            if chosen:
                rows = [_features(tiles[i], kind) for i in chosen]
                cycles = self._conv[kind].predict(np.array(rows, dtype=float))
                times[chosen] = cycles / HERTZ * 1e3
        return times

    def exchange(self, transfers):
        """Milliseconds of each transfer: messages over links, then local rearrangement."""
        times = np.zeros(len(transfers))
        chosen = [i for i, t in enumerate(transfers) if t.kind == "exchange"]
        if not chosen:
            return times
        nbytes = np.stack([transfers[i].nbytes for i in chosen]).astype(float)
        links = transfers[chosen[0]].links
        rate = min(self._move, key=lambda r: abs(r - links.bandwidth[0] / 1e9))
        seconds = np.where(nbytes > 0, self._move[rate].table(nbytes), 0) / 1e3
        # One unit of "bytes" is a second, so that the topology adds up seconds.
        unit = Links(links.topology, (8.0,) * nbytes.shape[1], (0.0,) * nbytes.shape[1])
        wire = transfer_seconds(
            [Transfer("exchange", s, s, unit) for s in seconds], 0.0, float("inf")
        )
        received = nbytes.sum(axis=1).max(axis=1)
        times[chosen] = wire * 1e3 + self._reset.table(received)
        return times


def _features(tile, kind: int) -> tuple[float, ...]:
    per_core = -(-tile.out_hwc[2] // CORES)
    inputs = tile.in_hwc[2] if kind == 1 else per_core
    return inputs, per_core, tile.out_hwc[0], tile.out_hwc[1]


class _Monotone:
    """A GBDT of log time that never falls when a feature grows.

    Outside the range it was trained on, the nearest prediction grows in proportion.
    """

    def __init__(self, features: np.ndarray, values: np.ndarray):
        features, values = _medians(features, values)
        self._low, self._high = features.min(axis=0), features.max(axis=0)
        settings = {
            "max_depth": 6, "eta": 0.1, "nthread": 1, "max_bin": 1024,
            "monotone_constraints": (1,) * features.shape[1],
        }
        data = xgboost.DMatrix(np.log(features), np.log(values))
        self._model = xgboost.train(settings, data, 500)
        self._grid: tuple[np.ndarray, np.ndarray] | None = None

    def predict(self, features: np.ndarray) -> np.ndarray:
        near = np.clip(features, self._low, self._high)
        beyond = (np.maximum(features, near) / near).prod(axis=1)
        return np.exp(self._model.predict(xgboost.DMatrix(np.log(near)))) * beyond

    def table(self, values: np.ndarray) -> np.ndarray:
        """Predictions for one feature, from a fine grid (many equal questions)."""
        if self._grid is None:
            points = np.geomspace(self._low[0], self._high[0], 4000)
            self._grid = points, self.predict(points[:, None])
        points, times = self._grid
        found = np.interp(values, points, times)
        return found * np.maximum(1.0, values / points[-1]) * (values > 0)


def _medians(features: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row per configuration."""
    unique, inverse = np.unique(features, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    order = np.argsort(inverse, kind="stable")
    parts = np.split(values[order], np.searchsorted(inverse[order], np.arange(1, len(unique))))
    return unique, np.array([np.median(p) for p in parts])
