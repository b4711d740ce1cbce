# SPDX-License-Identifier: Apache-2.0
"""Files that anybody may have written: read within bounds of size and depth, or refused."""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

#: Bytes of a file of ours at most, also once it is unpacked.
MOST = 64 << 20


def read_bytes(path: str | Path, most: int = MOST) -> bytes:
    """All of a regular file.

    Raises
    ------
    OSError
        If there is none, if it is a folder, pipe or device, or larger than ``most`` bytes; the
        reason is its ``strerror``.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(None, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file")
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(None, f"it is larger than {most >> 20} MiB")
    return data


def read_text(path: str | Path, most: int = MOST) -> str:
    """`read_bytes` as UTF-8; ``UnicodeDecodeError`` if it is none."""
    return read_bytes(path, most).decode()


def parse_json(text: str | bytes) -> Any:
    """Plain data; ``ValueError`` if it is not JSON, or nested deeper than Python goes."""
    return within_depth(json.loads, text)


def json_object(data: Any) -> dict[str, Any] | None:
    """Plain data that is an object of JSON or a table of TOML; None if it is anything else."""
    return cast("dict[str, Any]", data) if isinstance(data, dict) else None


def with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """An object of plain data with tuples in place of its lists, as records have them."""
    return {name: _frozen(value) for name, value in data.items()}


def _frozen(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def within_depth(parse: Callable[[Any], Any], text: Any) -> Any:
    """What a parser makes of a text; ``ValueError`` if it is nested too deeply."""
    try:
        return parse(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def gunzip(data: bytes, most: int = MOST) -> bytes:
    """Unpack gzip.

    Raises
    ------
    ValueError
        If it is damaged, cut off, or larger than ``most`` bytes once unpacked.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(unpacked) > most:
        raise ValueError(f"it unpacks to more than {most >> 20} MiB")
    if not unpacker.eof:
        raise ValueError("it is cut off")
    return unpacked


def toml_reader() -> ModuleType:
    """The standard reader of TOML, from Python 3.11 on; before that the same from package tomli.

    Raises
    ------
    ModuleNotFoundError
        If there is neither.
    """
    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    return tomllib
