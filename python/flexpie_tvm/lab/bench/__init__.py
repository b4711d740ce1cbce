# SPDX-License-Identifier: Apache-2.0
"""Measure ways of partitioning beside each other, end to end, on one set of boards."""

from .grid import WAYS, Case, Grid
from .networks import Network, find_network
from .records import CaseRecord, load_records
from .report import write_report
from .runner import run_grid

__all__ = [
    "WAYS",
    "Case",
    "CaseRecord",
    "Grid",
    "Network",
    "find_network",
    "load_records",
    "run_grid",
    "write_report",
]
