# SPDX-License-Identifier: Apache-2.0
"""What schedules and cost models ask of a board's processor; without TVM."""

from .vector_unit import AVX2, AVX512, NEON, SSE, VectorUnit

__all__ = ["AVX2", "AVX512", "NEON", "SSE", "VectorUnit"]
