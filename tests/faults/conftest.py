# SPDX-License-Identifier: Apache-2.0
"""The small model of the runtime's tests."""

from __future__ import annotations

from tests.runtime.conftest import artifacts, small_answer, small_inputs, small_module

__all__ = ["artifacts", "small_answer", "small_inputs", "small_module"]
