# SPDX-License-Identifier: Apache-2.0
"""What tiles and transfers cost. A planner gets one `Cost`; it never measures anything."""

from .analytic import Analytic
from .base import Cost, PerKind
from .cost_file import load_cost, save_cost
from .learned import Learned
from .modelled import Modelled
from .records import NOT_MEASURED, Links, TileWork, Transfer
from .shipped import shipped_core, shipped_cost
from .sold import cost_of_boards
from .table import Table

__all__ = [
    "NOT_MEASURED",
    "Analytic",
    "Cost",
    "Learned",
    "Links",
    "Modelled",
    "PerKind",
    "Table",
    "TileWork",
    "Transfer",
    "cost_of_boards",
    "load_cost",
    "save_cost",
    "shipped_core",
    "shipped_cost",
]
