# SPDX-License-Identifier: Apache-2.0
"""A made-up board: random tiles and transfers, and the times that it would take for them."""

from __future__ import annotations

import zlib

import numpy as np

from flexpie_tvm.cost import Links, TileWork, Transfer
from flexpie_tvm.cost.records import Setting
from flexpie_tvm.cost.traces import TileTrace, TransferTrace

SETTING = Setting("made-up", "llvm -mcpu=made-up", "0.19.0", 1)
NETWORK = Links("mesh", (1e9,) * 4, (1e-4,) * 4)


def window_tile(
    family="conv", rows=28, cols=28, inputs=64, outputs=64, kernel=3, stride=1, block=16
) -> TileWork:
    """A convolution or a pool over a tile that touches no edge."""
    groups = outputs if family == "depthwise" else 1
    inputs = outputs if family in ("depthwise", "pool") else inputs
    seen = [(n - 1) * stride + kernel for n in (rows, cols)]
    sums = kernel * kernel * (1 if family in ("depthwise", "pool") else inputs)
    weights = 0 if family == "pool" else 4 * sums * outputs
    kind = "nn.max_pool2d" if family == "pool" else "nn.contrib_conv2d_NCHWc"
    return TileWork(
        kind, family, (*seen, inputs), (rows, cols, outputs), (kernel,) * 2, (stride,) * 2,
        (0,) * 4, (1, 1), groups, "float32", 2 * rows * cols * outputs * sums,
        4 * seen[0] * seen[1] * inputs, weights, 4 * rows * cols * outputs, 2, 1,
        blocks=(block, block),
    )  # fmt: skip


def random_tile(rng: np.random.Generator) -> TileWork:
    """A tile such as those of image networks."""
    family = str(rng.choice(["conv", "pointwise", "depthwise", "pool"]))
    return window_tile(
        family,
        *(int(n) for n in rng.integers(2, 60, 2)),
        *(int(n) for n in 16 * rng.integers(1, 17, 2)),
        kernel=1 if family == "pointwise" else int(rng.choice([3, 5])),
        stride=int(rng.integers(1, 3)),
    )


def tile_ms(tile: TileWork) -> float:
    """Arithmetic, memory, a cache that overflows, a start, and 2 % that nobody can foresee."""
    rate = {"conv": 40e9, "pointwise": 30e9, "depthwise": 8e9, "pool": 5e9}[tile.conv_type]
    memory = 2 if tile.bytes_moved > 1 << 20 else 1
    seconds = tile.flops / rate + memory * tile.bytes_moved / 8e9 + 4e-6
    return seconds * 1e3 * (0.98 + 0.04 * _dice(tile))


def random_transfer(rng: np.random.Generator, kind: str) -> Transfer:
    """Some boards send something to some others."""
    shape = {"exchange": (4, 4), "scatter": (1, 4), "gather": (4, 1)}[kind]
    nbytes = (2 ** rng.uniform(6, 21, shape)).astype(np.int64) * rng.integers(0, 2, shape)
    if kind == "exchange":
        np.fill_diagonal(nbytes, 0)
    nbytes.flat[1 if kind == "exchange" else 0] = 4096
    return Transfer(kind, nbytes, np.minimum(nbytes, 1), NETWORK)


def transfer_ms(transfer: Transfer) -> float:
    """A time per byte of the busiest board and per message, and 2 % of chance."""
    sent = transfer.nbytes
    busiest = max(sent.sum(axis=0).max(), sent.sum(axis=1).max())
    seconds = 2e-5 * (sent > 0).sum() + busiest / 1.5e9 + 3e-5
    return seconds * 1e3 * (0.98 + 0.04 * _dice(sent.tobytes()))


def traces(tiles: int, transfers: int, seed: int = 0):
    """Traces of random tiles and transfers."""
    rng = np.random.default_rng(seed)
    works = [random_tile(rng) for _ in range(tiles)]
    kinds = ["exchange", "scatter", "gather"]
    moved = [random_transfer(rng, kinds[k % 3]) for k in range(transfers)]
    return (
        [TileTrace(w, tile_ms(w), 0.01, 5, "sampler", SETTING) for w in works],
        [TransferTrace(t, transfer_ms(t), 0.01, 5, "sampler", SETTING) for t in moved],
    )


def _dice(fact) -> float:
    return zlib.crc32(repr(fact).encode()) / 2**32
