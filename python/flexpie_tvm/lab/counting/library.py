# SPDX-License-Identifier: Apache-2.0
"""The functions of a shared library."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from pathlib import Path

from .programs import llvm_tool, run

#: Offset in the file, address, size in the file.
_SEGMENT = re.compile(r"^\s*LOAD\s+0x(\w+)\s+0x(\w+)\s+0x\w+\s+0x(\w+)", re.MULTILINE)
#: Address and offset of the table of functions that exceptions are unwound with.
_UNWINDING = re.compile(r"\.eh_frame_hdr\s+PROGBITS\s+(\w+)\s+(\w+)")
_SYMBOL = re.compile(r"^(\w+) [tTwW] (.+)$", re.MULTILINE)
#: What TVM puts behind a kernel's name for parts of it.
_PART = re.compile(r"(_compute_|__tvm_parallel_lambda.*)$")
#: The encoding of that table that linkers write: 4-byte offsets from its own start.
_TABLE_HEAD, _TABLE_ENCODING = "<BBBBiI", 0x3B


class Library:
    """Names of functions, by offset in the file.

    A library whose symbols were stripped still tells where functions begin: they are then named by
    their addresses.
    """

    def __init__(self, file: str):
        headers = run([llvm_tool("llvm-readelf"), "-lSW", file])
        self._segments = [tuple(int(g, 16) for g in m.groups()) for m in _SEGMENT.finditer(headers)]
        functions = _named(file) or _unwound(file, headers)
        self._starts = [start for start, _ in functions]
        self._names = [name for _, name in functions]

    def name(self, offset: int) -> str:
        """The last function that begins before an offset; empty if there is none."""
        for start, address, size in self._segments:
            if start <= offset < start + size:
                k = bisect_right(self._starts, offset - start + address) - 1
                return self._names[k] if k >= 0 else ""
        return ""


def _named(file: str) -> list[tuple[int, str]]:
    listed = run([llvm_tool("llvm-nm"), "--defined-only", "--demangle", file])
    return sorted((int(m[1], 16), _PART.sub("", m[2])) for m in _SYMBOL.finditer(listed))


def _unwound(file: str, headers: str) -> list[tuple[int, str]]:
    section = _UNWINDING.search(headers)
    if section is None:
        return []
    address, offset = (int(group, 16) for group in section.groups())
    data = Path(file).read_bytes()[offset:]
    *_, encoding, _, count = struct.unpack_from(_TABLE_HEAD, data)
    if encoding != _TABLE_ENCODING:
        return []
    table = struct.iter_unpack("<ii", data[12 : 12 + 8 * count])
    return sorted((address + start, f"{address + start:#x}") for start, _ in table)
