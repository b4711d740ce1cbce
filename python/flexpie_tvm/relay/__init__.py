# SPDX-License-Identifier: Apache-2.0
"""Relay modules as layer graphs and back: import, annotate, lower."""

from ..tvm_check import require_relay

require_relay()

from . import exchange_op, partition_op, recurrent_op  # noqa: E402 - TVM is checked before it is used
from .importer import Imported, import_module  # noqa: E402
from .lower import Lowered, lower  # noqa: E402
from .params import bind_params  # noqa: E402
from .partitioned import Partitioned, partition, read_module, read_plan  # noqa: E402
from .stages import StageDump  # noqa: E402
from .transform import FlexPiePartition  # noqa: E402

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
