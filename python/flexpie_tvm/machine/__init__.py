# SPDX-License-Identifier: Apache-2.0
"""What schedules and cost models ask of a board's processor; without TVM."""

from .caches import Caches, caches_of
from .description import Description, described
from .processors import vector_unit
from .vector_unit import AVX, AVX2, AVX512, NEON, SSE, UNITS, VectorUnit

__all__ = [
    "AVX",
    "AVX2",
    "AVX512",
    "NEON",
    "SSE",
    "UNITS",
    "Caches",
    "Description",
    "VectorUnit",
    "caches_of",
    "described",
    "vector_unit",
]
