# SPDX-License-Identifier: Apache-2.0
"""What schedules and cost models ask of a board's processor; without TVM."""

from .boards import CoreCluster, KnownBoard, known_board, known_boards, parse_boards
from .caches import Caches, caches_of
from .description import Description, described
from .precision import DTYPES, FP16, FP32, PRECISIONS
from .processors import vector_unit
from .vector_unit import AVX, AVX2, AVX512, NEON, SSE, UNITS, VectorUnit

__all__ = [
    "AVX",
    "AVX2",
    "AVX512",
    "DTYPES",
    "FP16",
    "FP32",
    "NEON",
    "PRECISIONS",
    "SSE",
    "UNITS",
    "Caches",
    "CoreCluster",
    "Description",
    "KnownBoard",
    "VectorUnit",
    "caches_of",
    "described",
    "known_board",
    "known_boards",
    "parse_boards",
    "vector_unit",
]
