# SPDX-License-Identifier: Apache-2.0
"""What boards execute, by what it computes, for every vector unit that `machine` describes.

Importing this package puts its strategies under a target key of our own (`door`).
"""

from ..tvm_check import require_relay

require_relay()

from . import door, integer_operators  # noqa: E402 - TVM is checked before it is used

door.register()
integer_operators.register()
