# SPDX-License-Identifier: Apache-2.0
"""Costs learned from the FlexPie authors' measurements on TMS320C6678 boards.

The estimators are the project's own. 1x1 convolutions and depthwise 3x3 convolutions,
transfers and local rearrangement are learned; any other layer is `Analytic` with the
arithmetic rate that the measurements show. The data is not part of this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flexpie_tvm.cost import Analytic, Cost, Links, TileWork, Transfer
from flexpie_tvm.cost.estimator import Estimator
from flexpie_tvm.cost.features import tile_key, tile_rows
from flexpie_tvm.cost.memo import Memo
from flexpie_tvm.cost.network import transfer_seconds
from flexpie_tvm.cost.rows import RowLayout, Rows
from flexpie_tvm.machine import AVX512

CORES, HERTZ = 8, 1e9
COMPUTE_FILES = ("convfortest.csv", "xgb_comp_dp.csv")
TRANSFER_FILE, REARRANGE_FILE = "tranfortest.csv", "resetfortest.csv"
#: How extents fit steps of a vector unit is told beside them; for want of the DSP's, of this one.
UNIT = AVX512
FAMILIES = {1: "pointwise", 2: "depthwise"}
#: All that is known of a message or a rearrangement is its size.
KNEES = (1 << 10, 1 << 14, 1 << 18)  # where a byte more may cost less than one before
SIZE_TERMS = ("bytes", "one", *(f"bytes to {knee}" for knee in KNEES))
SIZE = RowLayout(("bytes",), growing=1, terms=SIZE_TERMS, covered=len(SIZE_TERMS), roof=("bytes",))


class C6678(Cost):
    """Learned costs of C6678 boards; the host's link is free, as in the paper's figures."""

    name = "c6678"
    monotone = True

    def __init__(self, folder: Path):
        self._elsewhere = Analytic(gflops=17.0, memory_bandwidth=8e9, overhead=1e-5)
        self._conv = {
            family: Estimator.fit(tile_rows([tile_key(t) for t in tiles], UNIT), ms)
            for family, (tiles, ms) in compute_data(folder, COMPUTE_FILES[0]).items()
        }
        self._move = {
            rate: _Grid(Estimator.fit(size_rows(sizes), ms), sizes)
            for rate, (sizes, ms) in transfer_data(folder).items()
        }
        sizes, ms = rearrange_data(folder)
        self._rearrange = _Grid(Estimator.fit(size_rows(sizes), ms), sizes)
        self._known = {family: Memo() for family in self._conv}

    def compute(self, tiles: Sequence[TileWork]) -> np.ndarray:
        """Milliseconds of each tile."""
        times = self._elsewhere.compute(tiles)
        for family, estimator in self._conv.items():
            chosen = [i for i, t in enumerate(tiles) if t.conv_type == family and measured(t)]
            keys = [tile_key(of_one_core(tiles[i])) for i in chosen]
            times[chosen] = self._known[family].answers(
                keys,
                lambda new, e=estimator, k=keys: e.predict(tile_rows([k[i] for i in new], UNIT)),
            )
        return times

    def exchange(self, transfers: Sequence[Transfer]) -> np.ndarray:
        """Milliseconds of each transfer: messages over links, then local rearrangement."""
        times = np.zeros(len(transfers))
        chosen = [i for i, t in enumerate(transfers) if t.kind == "exchange"]
        if not chosen:
            return times
        nbytes = np.stack([transfers[i].nbytes for i in chosen]).astype(float)
        links = transfers[chosen[0]].links
        rate = min(self._move, key=lambda r: abs(r - links.bandwidth[0] / 1e9))
        seconds = self._move[rate].predict(nbytes) / 1e3
        # One unit of "bytes" is a second, so that the topology adds up seconds.
        unit = Links(links.topology, (8.0,) * nbytes.shape[1], (0.0,) * nbytes.shape[1])
        wire = transfer_seconds(
            [Transfer("exchange", s, s, unit) for s in seconds], 0.0, float("inf")
        )
        received = nbytes.sum(axis=1).max(axis=1)
        times[chosen] = wire * 1e3 + self._rearrange.predict(received)
        return times

    def floor(self, whole: TileWork, speeds: Sequence[float]) -> float:
        """All the layer's work at its cheapest, spread over all boards; they are all alike."""
        if whole.conv_type not in self._conv or not measured(whole):
            return self._elsewhere.floor(whole, speeds)
        rows = tile_rows([tile_key(of_one_core(whole))], UNIT)
        return float(self._conv[whole.conv_type].floor(rows)[0]) / len(speeds)


def measured(tile: TileWork) -> bool:
    """Whether the measurements cover such a window, if they cover the family."""
    return tile.conv_type == "pointwise" or tile.kernel == (3, 3)


def of_one_core(tile: TileWork) -> TileWork:
    """What one core does of a board's tile, as the measurements describe it."""
    rows, cols, channels = tile.in_hwc
    top, left, bottom, right = (*tile.padding, 0, 0, 0, 0)[:4]
    depthwise = tile.conv_type == "depthwise"
    return _core_tile(
        tile.conv_type,
        (rows + top + bottom, cols + left + right),
        -(-channels // CORES) if depthwise else channels,
        tile.out_hwc[:2],
        -(-tile.out_hwc[2] // CORES),
        max(tile.strides, default=1),
    )


def _core_tile(family, in_hw, in_c, out_hw, out_c, stride) -> TileWork:
    kernel = (1, 1) if family == "pointwise" else (3, 3)
    groups = 1 if family == "pointwise" else out_c
    per_output = kernel[0] * kernel[1] * in_c // groups if groups else 0
    outputs = out_hw[0] * out_hw[1] * out_c
    return TileWork(
        "nn.conv2d", family, (*in_hw, in_c), (*out_hw, out_c), kernel, (stride, stride), (),
        (1, 1), groups, "float32", 2 * outputs * per_output, 4 * in_hw[0] * in_hw[1] * in_c,
        4 * out_c * per_output, 4 * outputs, 1, 1,
    )  # fmt: skip


def compute_data(folder: Path, name: str) -> dict[str, tuple[list[TileWork], np.ndarray]]:
    """Per family the tiles of one file and their milliseconds; one row per configuration."""
    table, data = load(folder, name), {}
    for number, family in FAMILIES.items():
        chosen = table[table[:, 0] == number]
        configurations, cycles = medians(chosen[:, 1:-1], chosen[:, -1])
        tiles = [
            _core_tile(family, (ih, iw), ic, (oh, ow), oc, stride)
            for ic, oc, oh, ow, ih, iw, stride in configurations.astype(int).tolist()
        ]
        data[family] = tiles, cycles / HERTZ * 1e3
    return data


def transfer_data(folder: Path) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Per link (Gb/s) the sizes of messages and their milliseconds."""
    table = load(folder, TRANSFER_FILE)
    data = {}
    for rate in np.unique(table[:, 0]).tolist():
        chosen = table[table[:, 0] == rate]
        sizes, ms = medians(chosen[:, 1:2], chosen[:, 2])
        data[rate] = sizes.ravel(), ms
    return data


def rearrange_data(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of local rearrangements and their milliseconds."""
    table = load(folder, REARRANGE_FILE)
    sizes, ms = medians(table[:, :1], table[:, 1])
    return sizes.ravel(), ms


def size_rows(sizes: np.ndarray) -> Rows:
    """Sizes in bytes as rows of an estimator."""
    sizes = np.asarray(sizes, dtype=float)
    value = {"bytes": sizes, "one": np.ones_like(sizes)}
    value |= {f"bytes to {knee}": np.minimum(sizes, knee) for knee in KNEES}
    return SIZE.rows(value, ("",), np.zeros(len(sizes), dtype=int))


def medians(features: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One row per configuration."""
    unique, inverse = np.unique(features, axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    starts = np.cumsum(np.bincount(inverse.ravel()))[:-1]
    return unique, np.array([np.median(p) for p in np.split(values[order], starts)])


def load(folder: Path, name: str) -> np.ndarray:
    """One of the authors' files."""
    if not (folder / name).is_file():
        raise SystemExit(f"{folder} has no {name}: this needs the authors' measurements")
    return np.loadtxt(folder / name, delimiter=",")


class _Grid:
    """Predictions for sizes, from a fine grid: a search asks millions of times."""

    def __init__(self, estimator: Estimator, sizes: np.ndarray):
        self._sizes = np.geomspace(sizes.min(), sizes.max(), 4000)
        self._times = estimator.predict(size_rows(self._sizes))

    def predict(self, sizes: np.ndarray) -> np.ndarray:
        """Milliseconds; beyond the largest size in proportion, nothing for nothing."""
        beyond = np.maximum(1.0, sizes / self._sizes[-1])
        return np.interp(sizes, self._sizes, self._times) * beyond * (sizes > 0)
