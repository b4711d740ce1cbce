# SPDX-License-Identifier: Apache-2.0
"""The TVM side: import, pre-optimize, annotate, lower, build."""

from .tvm_check import require_relay

require_relay()

from ..kernels import door  # noqa: E402 - TVM is checked before it is used
from . import blocking, exchange_op, integer_operators, partition_op  # noqa: E402
from .annotations import read_plan  # noqa: E402
from .build import build_boards  # noqa: E402
from .importer import Imported, import_module  # noqa: E402
from .lower import Lowered, lower  # noqa: E402
from .merge import input_name  # noqa: E402
from .preoptimize import FlexPiePreOptimize  # noqa: E402
from .transform import FlexPiePartition  # noqa: E402

exchange_op.register()
partition_op.register()
blocking.register()
integer_operators.register()
door.register()

__all__ = [
    "FlexPiePartition",
    "FlexPiePreOptimize",
    "Imported",
    "Lowered",
    "build_boards",
    "import_module",
    "input_name",
    "lower",
    "read_plan",
]
