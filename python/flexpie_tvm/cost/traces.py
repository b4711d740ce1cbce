# SPDX-License-Identifier: Apache-2.0
"""Measured times of tiles, transfers and whole models, and the folder that keeps them.

A trace store is a folder with ``tiles``, ``transfers`` and ``models``, each a folder of Parquet
files (`store`). Rows hold a record's fields one by one: what is read back is the record that
was measured.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CostError
from ..extras import require
from ..files import with_tuples
from .records import Links, Setting, TileWork, Transfer
from .store import FLOATS, INTS, append, parts, read, schema

pa = require("pyarrow", "a trace store")
TILES, TRANSFERS, MODELS = "tiles", "transfers", "models"


@dataclass(frozen=True)
class TileTrace:
    """The measured time of one tile.

    Parameters
    ----------
    work : TileWork
        What was computed.
    ms : float
        Median of the repeats, in milliseconds.
    spread : float
        Half the width of the middle 50 % of the repeats, relative to the median.
    repeats : int
        Number of timings.
    origin : str
        ``sampler``, or the name of the model that the layer comes from.
    setting : Setting
        Where it was measured.
    """

    work: TileWork
    ms: float
    spread: float
    repeats: int
    origin: str
    setting: Setting


@dataclass(frozen=True)
class TransferTrace:
    """The measured time of one transfer; fields as in `TileTrace`."""

    transfer: Transfer
    ms: float
    spread: float
    repeats: int
    origin: str
    setting: Setting


@dataclass(frozen=True)
class ModelTrace:
    """The measured time of a whole model on one board, its input and answer left there.

    Parameters
    ----------
    works : tuple of TileWork
        Its layers, whole.
    ms, spread, repeats, origin, setting
        As in `TileTrace`; ``origin`` is the model's name.
    """

    works: tuple[TileWork, ...]
    ms: float
    spread: float
    repeats: int
    origin: str
    setting: Setting


def tile_configuration(work: TileWork) -> TileWork:
    """What makes two tiles the same: the work, wherever it is asked for."""
    return replace(work, nodes=1, speed=1.0, board_kind="", layer="")


def transfer_configuration(transfer: Transfer) -> Hashable:
    """What makes two transfers the same; hashable, which a `Transfer` is not."""
    nbytes, runs = (np.asarray(a, dtype=np.int64) for a in (transfer.nbytes, transfer.runs))
    return transfer.kind, nbytes.shape, nbytes.tobytes(), runs.tobytes(), transfer.links


def append_tiles(folder: str | Path, traces: Sequence[TileTrace]) -> None:
    """Add traces to a store, which is made if it is not there; nothing for no traces."""
    rows = [_measured(trace) | asdict(trace.work) for trace in traces]
    append(Path(folder) / TILES, rows, _TILE_SCHEMA)


def append_transfers(folder: str | Path, traces: Sequence[TransferTrace]) -> None:
    """Add traces to a store, which is made if it is not there; nothing for no traces."""
    rows = [_measured(trace) | _transfer_row(trace.transfer) for trace in traces]
    append(Path(folder) / TRANSFERS, rows, _TRANSFER_SCHEMA)


def append_models(folder: str | Path, traces: Sequence[ModelTrace]) -> None:
    """Add traces to a store, which is made if it is not there; nothing for no traces."""
    rows = [_measured(t) | {"works": [asdict(work) for work in t.works]} for t in traces]
    append(Path(folder) / MODELS, rows, _MODEL_SCHEMA)


def read_tiles(folder: str | Path) -> list[TileTrace]:
    """All tile traces of a store, in the order in which they were appended.

    Raises
    ------
    CostError
        If the folder does not exist, or a file in it is damaged, foreign or of another version.
    """
    rows = read(_existing(folder) / TILES, _TILE_SCHEMA)
    return [TileTrace(_tile_work(row), **_measurement(row)) for row in rows]


def read_transfers(folder: str | Path) -> list[TransferTrace]:
    """All transfer traces of a store; see `read_tiles`."""
    rows = read(_existing(folder) / TRANSFERS, _TRANSFER_SCHEMA)
    return [TransferTrace(_transfer(row), **_measurement(row)) for row in rows]


def read_models(folder: str | Path) -> list[ModelTrace]:
    """All traces of whole models of a store; see `read_tiles`."""
    rows = read(_existing(folder) / MODELS, _MODEL_SCHEMA)
    return [ModelTrace(tuple(map(_tile_work, row["works"])), **_measurement(row)) for row in rows]


def count_parts(folder: str | Path) -> int:
    """How many times tiles were appended to a store (0 for one that is not there)."""
    return len(parts(Path(folder) / TILES))


def _existing(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise CostError(f"trace store '{folder}' is not a folder: 'flexpie profile' makes one")
    return Path(folder)


def _measured(trace: TileTrace | TransferTrace | ModelTrace) -> dict[str, Any]:
    return {
        "ms": trace.ms,
        "spread": trace.spread,
        "repeats": trace.repeats,
        "origin": trace.origin,
    } | {f"at_{name}": value for name, value in asdict(trace.setting).items()}


def _transfer_row(transfer: Transfer) -> dict[str, Any]:
    nbytes, runs = np.asarray(transfer.nbytes), np.asarray(transfer.runs)
    return {
        "kind": transfer.kind,
        "sources": nbytes.shape[0],
        "nbytes": nbytes.astype(np.int64).ravel().tolist(),
        "runs": runs.astype(np.int64).ravel().tolist(),
        "tensor": transfer.tensor,
    } | {f"links_{name}": value for name, value in asdict(transfer.links).items()}


def _tile_work(row: dict[str, Any]) -> TileWork:
    return TileWork(**_fields(row, TileWork))


def _fields(row: dict[str, Any], record: type, prefix: str = "") -> dict[str, Any]:
    return with_tuples({f.name: row[prefix + f.name] for f in fields(record)})


def _transfer(row: dict[str, Any]) -> Transfer:
    links = Links(**_fields(row, Links, "links_"))
    shape = (row["sources"], -1)
    nbytes, runs = (np.array(row[k], dtype=np.int64).reshape(shape) for k in ("nbytes", "runs"))
    return Transfer(row["kind"], nbytes, runs, links, row["tensor"])


def _measurement(row: dict[str, Any]) -> dict[str, Any]:
    setting = Setting(**{f.name: row[f"at_{f.name}"] for f in fields(Setting)})
    kept = {name: row[name] for name in ("ms", "spread", "repeats", "origin")}
    return kept | {"setting": setting}


_TILE_COLUMNS: dict[str, object] = (
    dict.fromkeys(("kind", "conv_type"), pa.string())
    | dict.fromkeys(("in_hwc", "out_hwc", "kernel", "strides", "padding", "dilation"), INTS)
    | {"blocks": INTS}
    | {"groups": pa.int64(), "dtype": pa.string()}
    | dict.fromkeys(
        ("flops", "bytes_read", "bytes_weights", "bytes_written", "ops", "nodes"), pa.int64()
    )
    | {"speed": pa.float64(), "board_kind": pa.string(), "layer": pa.string()}
    | {"variant": pa.string(), "special": pa.int64()}
)
# 4: settings tell kernels and how a time was taken. 3: results are no longer flushed from the
# caches before a tile is timed.
_TILE_SCHEMA = schema(TILES, 4, _TILE_COLUMNS)
_MODEL_SCHEMA = schema(MODELS, 3, {"works": pa.list_(pa.struct(list(_TILE_COLUMNS.items())))})
_TRANSFER_SCHEMA = schema(
    TRANSFERS,
    3,
    {
        "kind": pa.string(),
        "sources": pa.int64(),
        "nbytes": INTS,
        "runs": INTS,
        "tensor": pa.string(),
        "links_topology": pa.string(),
        "links_bandwidth": FLOATS,
        "links_latency": FLOATS,
        "links_server": pa.int64(),
        "links_host_bandwidth": pa.float64(),
        "links_host_latency": pa.float64(),
    },
)
