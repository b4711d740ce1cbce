# SPDX-License-Identifier: Apache-2.0
"""The Python that runs a board's stock TVM RPC server, for any architecture."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .emulated import prepare_emulated


@dataclass(frozen=True)
class BoardPython:
    """A command that behaves as ``python``, and what it needs in its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def board_python(arch: str) -> BoardPython:
    """A Python of an architecture that can import TVM's runtime.

    Parameters
    ----------
    arch : {"x86_64", "aarch64"}
        The boards'.

    Raises
    ------
    ClusterError
        If one for another architecture than ours is needed and cannot be prepared.
    """
    if arch == os.uname().machine:
        return BoardPython((sys.executable,), {})
    python = prepare_emulated(arch)
    return BoardPython((str(python.interpreter),), {"PYTHONPATH": str(python.packages)})
