# SPDX-License-Identifier: Apache-2.0
"""What the tests need and users may find handy: references, random models, random plans."""

from .emulator import DeadlockError, emulate, emulate_lowered, emulate_whole

__all__ = ["DeadlockError", "emulate", "emulate_lowered", "emulate_whole"]
