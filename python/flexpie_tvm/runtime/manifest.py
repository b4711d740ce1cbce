# SPDX-License-Identifier: Apache-2.0
"""``artifact.json``: what a host must know of an artifact, and a digest over all of it.

Nothing of it is believed before the digest, the checksums of all files and the sense of every
entry are checked; only then are files sent to boards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from .port import Port

VERSION = 4
#: What a tensor of a model may be of.
DTYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def manifest_of(
    boards: int,
    scheme: str,
    targets: Sequence[str],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    tables: Sequence[Mapping],
    checksums: Mapping[str, str],
) -> dict:
    """Plain data of a manifest, with its digest."""
    said = {
        "version": VERSION,
        "boards": boards,
        "scheme": scheme,
        "targets": list(targets),
        "inputs": [port.to_json() for port in inputs],
        "outputs": [port.to_json() for port in outputs],
        "tables": list(tables),
        "sha256": dict(checksums),
    }
    return {**said, "digest": digest(said)}


def digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of all entries but the digest itself."""
    said = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def check_manifest(manifest: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[list, list]:
    """Inputs and outputs of a manifest whose digest is right.

    Raises
    ------
    ValueError, TypeError, KeyError
        If an entry is missing or makes no sense.
    """
    boards = manifest["boards"]
    _require(type(boards) is int and 1 <= boards <= 255, f"{boards!r} boards")
    _require(plan["cluster"]["boards"] == boards, "a plan for another number of boards")
    _require(isinstance(manifest["scheme"], str), "a scheme that is no text")
    targets, tables = manifest["targets"], manifest["tables"]
    _require(_texts(targets) and len(targets) == boards, "targets")
    _require(len(tables) == boards, "exchange tables")
    for rank, table in enumerate(tables):
        _require((table["rank"], table["boards"]) == (rank, boards), f"the table of board {rank}")
        _require(
            _count(table["bytes_sent"]) and _count(table["bytes_forwarded"]), "counts of bytes"
        )
    needed = {"plan.json", *(f"board{rank}.so" for rank in range(boards))}
    _require(needed <= set(manifest["sha256"]), "checksums of all files")
    _require(not any(map(_elsewhere, manifest["sha256"])), "files elsewhere")
    inputs, outputs = (_ports(manifest[kind], boards) for kind in ("inputs", "outputs"))
    _require(bool(outputs), "outputs")
    for port in outputs:
        _check_owners(port)
    return inputs, outputs


def _ports(entries: Sequence[Mapping], boards: int) -> list[Port]:
    ports = [Port.from_json(entry) for entry in entries]
    names = [port.name for port in ports]
    _require(_texts(names) and len(set(names)) == len(names), f"names {names}")
    for port in ports:
        _require(port.dtype in DTYPES, f"'{port.name}' of type {port.dtype!r}")
        _require(all(map(_count, port.shape)), f"'{port.name}' of shape {port.shape}")
        _require(len(port.regions) == boards, f"'{port.name}' on {len(port.regions)} boards")
        for region in port.regions:
            inside = region.rank == len(port.shape) and all(
                0 <= start <= stop <= size
                for start, stop, size in zip(region.starts, region.stops, port.shape, strict=True)
            )
            _require(region.is_empty or inside, f"'{port.name}' has {region}")
    return ports


def _check_owners(port: Port) -> None:
    """Every element of an output has one owner."""
    owned = [region for region in port.regions if not region.is_empty]
    whole = sum(region.volume for region in owned) == prod(port.shape)
    apart = all(a.intersect(b).is_empty for a, b in combinations(owned, 2))
    _require(whole and apart, f"output '{port.name}' in parts that do not make it up")


def _elsewhere(name: str) -> bool:
    """Whether a file is not in the artifact's folder."""
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < np.iinfo(np.int64).max


def _require(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"wrong: {what}")
