# SPDX-License-Identifier: Apache-2.0
"""Targets that users name."""

from __future__ import annotations

import tvm

from ..errors import InputError


def parse_target(text: str) -> tvm.target.Target:
    """A TVM target; ``InputError`` if TVM does not know it."""
    if not text.startswith(("llvm", "{", "raspberry-pi/")):  # TVM looks for a GPU and says so
        raise InputError(f"target '{text}' is not one of TVM's CPU targets: give one of llvm's")
    try:
        return tvm.target.Target(text)
    except (ValueError, TypeError, tvm.error.TVMError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"target '{text}' is not one of TVM's: {reason}") from None
