# SPDX-License-Identifier: Apache-2.0
"""Passes over Relay: what is done on the whole model before it is cut, and on boards' parts."""

from . import blocking
from .preoptimize import FlexPiePreOptimize

blocking.register()

__all__ = ["FlexPiePreOptimize"]
