# SPDX-License-Identifier: Apache-2.0
"""Instruction words as text, and the multiply-accumulates that they do."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .cpus import TRIPLE
from .programs import llvm_tool, run

_LINE = re.compile(r"^\t(.*?)\s*// encoding: \[(.*?)\]$", re.MULTILINE)
#: Products of floats are added at once; those of integers also by an instruction that follows.
_FUSED = re.compile(r"f(n?m(add|sub)|ml[as])$")
_INTEGER = re.compile(r"[su]m(ull|lal|lsl)2?$|ml[as]$")
_DOT = re.compile(r"(us|[su])dot$")
_MATRIX = re.compile(r"(us|[su])mmla$")
_LANES = re.compile(r"v\d+\.(\d+)\w")
#: Products that a dot or matrix instruction adds into one lane of its sum.
_PER_DOT, _PER_MATRIX = 4, 8


def disassemble(words: Iterable[int]) -> dict[int, str]:
    """Instruction word -> assembly text; words that are no instructions are left out.

    Branches and literals are relative (``b.ne #-32``), so that the text can be assembled anywhere.
    """
    data = "\n".join(_bytes(word) for word in sorted(set(words)))
    command = [llvm_tool("llvm-mc"), "--disassemble", f"-triple={TRIPLE}", "-mattr=+all"]
    text = run([*command, "--show-encoding"], given=data)
    return {_word(found[2]): found[1].replace("\t", " ") for found in _LINE.finditer(text)}


def multiply_accumulates(instruction: str) -> int:
    """How many multiply-accumulates an instruction does.

    Examples
    --------
    >>> multiply_accumulates("fmla v0.4s, v1.4s, v2.s[0]")
    4
    >>> multiply_accumulates("fmadd s0, s1, s2, s3")
    1
    >>> multiply_accumulates("sdot v0.4s, v1.16b, v2.4b[1]")
    16
    """
    name, _, operands = instruction.partition(" ")
    lanes = _LANES.match(operands)
    count = int(lanes[1]) if lanes else 1
    if _DOT.match(name):
        return _PER_DOT * count
    if _MATRIX.match(name):
        return _PER_MATRIX * count
    return count if _FUSED.match(name) or _INTEGER.match(name) else 0


def _word(encoding: str) -> int:
    return int.from_bytes(bytes(int(byte, 16) for byte in encoding.split(",")), "little")


def _bytes(word: int) -> str:
    return " ".join(f"{byte:#04x}" for byte in word.to_bytes(4, "little"))
