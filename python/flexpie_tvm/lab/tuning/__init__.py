# SPDX-License-Identifier: Apache-2.0
"""Measures register tiles of boards' own kernels on boards, and remembers the fastest.

Everything here is AutoTVM's: tasks, tuners, measurements over RPC and records as lines of JSON.
What is ours is which tiles are candidates, and that a candidate is compiled as a build does it.
"""

from .board import Board
from .records import TuningRecord, fastest, read_records
from .session import TuneOptions, TuningTrial, tune
from .tasks import candidates, extract_tasks

__all__ = [
    "Board",
    "TuneOptions",
    "TuningRecord",
    "TuningTrial",
    "candidates",
    "extract_tasks",
    "fastest",
    "read_records",
    "tune",
]
