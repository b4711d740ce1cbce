# SPDX-License-Identifier: Apache-2.0
"""Measures on boards what predictions leave open: register tiles of kernels, and whole plans.

Of kernels everything is AutoTVM's: tasks, tuners, measurements over RPC and records as lines of
JSON. What is ours is which tiles are candidates, and that a candidate is compiled as a build does
it.
"""

from .board import Board
from .records import TuningRecord, fastest, read_records
from .session import TuneOptions, TuningTrial, tune
from .tasks import candidates, extract_tasks
from .trial import Tried, fastest_of, try_plans

__all__ = [
    "Board",
    "Tried",
    "TuneOptions",
    "TuningRecord",
    "TuningTrial",
    "candidates",
    "extract_tasks",
    "fastest",
    "fastest_of",
    "read_records",
    "try_plans",
    "tune",
]
