# SPDX-License-Identifier: Apache-2.0
"""The processor that a target's text describes."""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """A processor in LLVM's words.

    Parameters
    ----------
    triple : str
        Architecture, vendor and system.
    mcpu : str
        Name of the processor; empty for the least of the architecture.
    mattr : tuple of str
        Features, each after the sign ``+`` or ``-``.
    """

    triple: str
    mcpu: str = ""
    mattr: tuple[str, ...] = ()


def described(target: str) -> Description:
    """What the text of a target says, such as ``llvm -mcpu=znver4``.

    Parameters
    ----------
    target : str
        As TVM reads it. A text that names no triple is for a machine like this one.

    Raises
    ------
    ValueError
        If its quotes do not close.
    """
    options = dict(word.lstrip("-").split("=", 1) for word in shlex.split(target) if "=" in word)
    features = options.get("mattr", "").strip("[]").replace('"', "").split(",")
    return Description(
        options.get("mtriple") or f"{platform.machine()}-linux-gnu",
        options.get("mcpu", ""),
        tuple(feature.strip() for feature in features if feature.strip()),
    )
