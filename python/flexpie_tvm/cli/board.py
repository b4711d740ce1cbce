# SPDX-License-Identifier: Apache-2.0
"""``flexpie board``, of a package that loads no compiler."""

from flexpie_board.command import command

__all__ = ["command"]
