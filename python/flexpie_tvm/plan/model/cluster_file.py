# SPDX-License-Identifier: Apache-2.0
"""``cluster.toml``: the boards and links of a cluster as a file.

::

    topology = "mesh"          # mesh, ring, ps or shared
    bandwidth = "1Gbps"
    latency = "100us"          # also plain seconds
    host_bandwidth = "1Gbps"   # optional, like a board's if absent

    [[board]]                  # one per board, in the order of ranks
    speed = 1.0                # relative; optional
    memory = "2GB"             # optional, on all boards or none
    kind = "rpi4"              # optional
    target = "llvm ..."        # optional TVM target, on all boards or none
    bandwidth = "100Mbps"      # optional: this board's own link
    latency = 0.002

Instead of ``[[board]]`` tables, ``boards = 4`` means that many equal boards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf, isfinite
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from ...errors import PlanError
from ...files import json_object, read_text, toml_reader, within_depth
from .cluster import ClusterSpec, parse_bandwidth

MOST = 1 << 20  # bytes of a file
KNOWN = {"boards", "board", "topology", "bandwidth", "latency", "host_bandwidth", "host_latency"}
Value = TypeVar("Value")
PER_BOARD = {"speed", "memory", "kind", "target", "bandwidth", "latency"}


def load_cluster(path: str | Path) -> ClusterSpec:
    """Read ``cluster.toml``.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    cluster : ClusterSpec
        Its boards, in the order of the file.

    Raises
    ------
    PlanError
        If the file is missing, not TOML, or says something that makes no sense.
    """
    try:
        data = within_depth(_toml().loads, read_text(path, MOST))
    except OSError as error:
        raise PlanError(f"cluster '{path}' cannot be read: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise PlanError(f"cluster '{path}' is not TOML: {error}") from None
    try:
        return parse_cluster(data)
    except PlanError as error:
        raise PlanError(f"cluster '{path}': {error}") from None


def _toml() -> ModuleType:
    try:
        return toml_reader()
    except ModuleNotFoundError:
        raise PlanError("cluster.toml needs Python 3.11 or the package tomli") from None


def parse_cluster(data: dict[str, Any]) -> ClusterSpec:
    """A cluster from the plain data of ``cluster.toml``.

    Raises
    ------
    PlanError
        For unknown or contradicting entries.
    """
    _only(data, KNOWN, "the file")
    boards = _tables(data.get("board", []))
    count = data.get("boards", len(boards))
    if not isinstance(count, int) or (boards and count != len(boards)):
        raise PlanError(f"boards = {count!r}, but there are {len(boards)} [[board]] tables")
    for board in boards:
        _only(board, PER_BOARD, "[[board]]")
    bandwidth = _bandwidth(data.get("bandwidth", 1e9))
    latency = parse_seconds(data.get("latency", 1e-4))
    return ClusterSpec(
        count,
        bandwidth,
        latency,
        str(data.get("topology", "mesh")),
        speeds=_column(boards, "speed", 1.0, _number),
        memory=_all_or_none(boards, "memory", parse_bytes),
        bandwidths=_column(boards, "bandwidth", bandwidth, _bandwidth),
        latencies=_column(boards, "latency", latency, parse_seconds),
        kinds=_column(boards, "kind", "", str),
        targets=_all_or_none(boards, "target", str),
        host_bandwidth=_bandwidth(data["host_bandwidth"]) if "host_bandwidth" in data else 0.0,
        host_latency=parse_seconds(data.get("host_latency", 0.0)),
    )


def _tables(given: object) -> list[dict[str, Any]]:
    entries = cast("list[Any]", given) if isinstance(given, list) else [given]
    found = [json_object(entry) for entry in entries]
    tables = [table for table in found if table is not None]
    if not isinstance(given, list) or len(tables) != len(entries):
        raise PlanError("write one [[board]] table per board")
    return tables


def _only(data: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise PlanError(
            f"{where} has an unknown entry '{unknown[0]}': choose from {', '.join(sorted(known))}"
        )


def _column(
    boards: list[dict[str, Any]], name: str, default: object, parse: Callable[[Any], Value]
) -> tuple[Value, ...]:
    if not any(name in board for board in boards):
        return ()
    return tuple(parse(board.get(name, default)) for board in boards)


def _all_or_none(
    boards: list[dict[str, Any]], name: str, parse: Callable[[Any], Value]
) -> tuple[Value, ...]:
    given = [name in board for board in boards]
    if any(given) and not all(given):
        raise PlanError(f"give the {name} of all boards or of none")
    return _column(boards, name, None, parse)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlanError(f"{value!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not isfinite(number):
        raise PlanError("a number is infinite, too large or none")
    return number


def _bandwidth(value: object) -> float:
    return parse_bandwidth(value) if isinstance(value, str) else _number(value)


def parse_seconds(value: str | float) -> float:
    """Seconds from ``0.5ms``, ``100us``, ``1s`` or a plain number; ``PlanError`` otherwise."""
    if not isinstance(value, str):
        return _number(value)
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(s|ms|us)\s*", value)
    if not match:
        raise PlanError(f"time '{value}' is not one such as 0.5ms, 100us or 1s")
    return float(match[1]) / {"s": 1.0, "ms": 1e3, "us": 1e6}[match[2]]


def parse_bytes(value: str | float) -> int:
    """Bytes from ``512MB``, ``2GiB`` or a plain number; ``PlanError`` otherwise."""
    if not isinstance(value, str):
        return int(_number(value))
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(B|kB|MB|GB|KiB|MiB|GiB)\s*", value)
    if not match:
        raise PlanError(f"memory '{value}' is not one such as 512MB or 2GiB")
    scale = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    return int(_number(float(match[1]) * scale[match[2]]))
