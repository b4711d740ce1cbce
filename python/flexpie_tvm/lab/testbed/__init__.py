# SPDX-License-Identifier: Apache-2.0
"""A cluster on one machine: boards with a core share, links and an architecture of their own."""

from .bed import add_server, clear_orphans, down, running, testbed, up
from .board_python import board_python
from .commands import check_system
from .described import Testbed, describe
from .options import ARCHITECTURES, TOPOLOGIES, TestbedOptions
from .state import STATE_FOLDER, TestbedRecord, load, records

__all__ = [
    "ARCHITECTURES",
    "STATE_FOLDER",
    "TOPOLOGIES",
    "Testbed",
    "TestbedOptions",
    "TestbedRecord",
    "add_server",
    "board_python",
    "check_system",
    "clear_orphans",
    "describe",
    "down",
    "load",
    "records",
    "running",
    "testbed",
    "up",
]
