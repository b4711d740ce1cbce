# SPDX-License-Identifier: Apache-2.0
"""Relay modules as layer graphs and back: import, annotate, lower."""

from . import exchange_op, partition_op, recurrent_op
from .importer import Imported, import_module
from .lower import Lowered, lower
from .params import bind_params
from .partitioned import Partitioned, partition, read_module, read_plan
from .stages import StageDump
from .transform import FlexPiePartition

exchange_op.register()
partition_op.register()
recurrent_op.register()

__all__ = [
    "FlexPiePartition",
    "Imported",
    "Lowered",
    "Partitioned",
    "StageDump",
    "bind_params",
    "import_module",
    "lower",
    "partition",
    "read_module",
    "read_plan",
]
