# SPDX-License-Identifier: Apache-2.0
"""Passes over Relay: what is done on the whole model before it is cut, and on boards' parts."""

from ..tvm_check import require_relay

require_relay()

from . import blocking  # noqa: E402 - TVM is checked before it is used
from .preoptimize import FlexPiePreOptimize  # noqa: E402

blocking.register()

__all__ = ["FlexPiePreOptimize"]
