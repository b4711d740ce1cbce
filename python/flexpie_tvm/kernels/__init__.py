# SPDX-License-Identifier: Apache-2.0
"""What boards execute, by what it computes, for every vector unit that `machine` describes.

Importing this package puts its strategies under a target key of our own (`door`).
"""

from . import door, integer_operators

door.register()
integer_operators.register()
