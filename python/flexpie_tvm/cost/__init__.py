# SPDX-License-Identifier: Apache-2.0
"""What tiles and transfers cost. A planner gets one `Cost`; it never measures anything."""

from .analytic import Analytic
from .base import Cost, PerKind
from .records import Links, TileWork, Transfer
from .table import Table

__all__ = ["Analytic", "Cost", "Links", "PerKind", "Table", "TileWork", "Transfer"]
