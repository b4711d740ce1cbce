# SPDX-License-Identifier: Apache-2.0
"""A folder of Parquet files to which rows are appended; each file is whole or not there.

Every append writes one new part, so a program that is interrupted loses at most what it had not
appended, and several may write to the same folder.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import CostError
from ..extras import require

pa = require("pyarrow", "a trace store")
pq = require("pyarrow.parquet", "a trace store")

_META = b"flexpie_traces"


class Schema(Protocol):
    """Columns of a table, as far as they are used here; pyarrow's are such."""

    @property
    def metadata(self) -> Mapping[bytes, bytes] | None:
        """What was noted with them."""
        ...

    def equals(self, other: Schema) -> bool:
        """Whether the columns are the same, whatever was noted."""
        ...


#: Types of columns: lists of whole numbers, and of others.
INTS: object = pa.list_(pa.int64())
FLOATS: object = pa.list_(pa.float64())


def schema(kind: str, version: int, columns: Mapping[str, object]) -> Schema:
    """Columns of a table of measurements, and those that every measurement has.

    Parameters
    ----------
    kind : str
        What is measured.
    version : int
        Another one where columns, or what was measured, mean something else.
    columns : mapping
        Name -> pyarrow's type.
    """
    measured: dict[str, object] = {
        "ms": pa.float64(),
        "spread": pa.float64(),
        "repeats": pa.int64(),
        "origin": pa.string(),
        "at_board_kind": pa.string(),
        "at_target": pa.string(),
        "at_tvm": pa.string(),
        "at_threads": pa.int64(),
        "at_kernels": pa.string(),
        "at_how": pa.string(),
    }
    meta = {_META: json.dumps({"version": version, "kind": kind}, sort_keys=True).encode()}
    return pa.schema(list({**measured, **columns}.items()), metadata=meta)


def append(folder: Path, rows: Sequence[dict[str, Any]], columns: Schema) -> None:
    """Write rows as a new part; nothing for no rows.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    rows : sequence of dict
        Each with all columns.
    columns : Schema
        Of `schema`.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if not rows:
        return
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((_number(part) for part in parts(folder)), default=-1)
    # The random end keeps apart what two profilers append at the same moment.
    name = f"part-{number:06d}-{secrets.token_hex(4)}.parquet"
    scratch = folder / f".{name}"
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema=columns), scratch)
        os.replace(scratch, folder / name)
    finally:
        scratch.unlink(missing_ok=True)


def parts(folder: Path) -> list[Path]:
    """The files of a folder, in the order in which they were appended."""
    return sorted(folder.glob("part-*.parquet"), key=lambda part: (_number(part), part.name))


def _number(part: Path) -> int:
    digits = part.name.split("-")[1].removesuffix(".parquet")
    return int(digits) if digits.isdecimal() else 0


def read(folder: Path, columns: Schema) -> Iterable[dict[str, Any]]:
    """All rows of a folder, in the order in which they were appended.

    Parameters
    ----------
    folder : Path
        One that is not there has none.
    columns : Schema
        What every part must have.

    Raises
    ------
    CostError
        If a file in it is damaged, foreign or of another version.
    """
    for part in parts(folder):
        yield from _rows(part, columns)


def _rows(part: Path, columns: Schema) -> Iterable[dict[str, Any]]:
    try:
        table = pq.read_table(part, partitioning=None)
    except (pa.ArrowException, OSError):
        raise CostError(f"trace file '{part}' is damaged: delete it and profile again") from None
    wanted = json.loads((columns.metadata or {})[_META])
    noted: Mapping[bytes, bytes] = table.schema.metadata or {}
    found = json.loads(noted.get(_META, b"{}"))
    if found.get("kind") != wanted["kind"]:
        raise CostError(f"trace file '{part}' was not written by 'flexpie profile': move it away")
    if found != wanted:
        raise CostError(
            f"trace file '{part}' is version {found.get('version')}, this flexpie reads version "
            f"{wanted['version']}: profile again"
        )
    if not table.schema.equals(columns) or any(c.null_count for c in table.columns):
        raise CostError(f"trace file '{part}' is damaged: delete it and profile again")
    return table.to_pylist()
