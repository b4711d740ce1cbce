# SPDX-License-Identifier: Apache-2.0
"""Artifacts, boards, deployments."""

from ..codegen import BuildCache, user_cache
from .artifact import Artifact, is_artifact, load_artifact, sign_artifact
from .cluster import Cluster, parse_tracker
from .compare import TOLERANCE, largest_error, relative_error
from .compile import build
from .deployment import Deployment
from .inventory import BoardInfo, list_boards
from .local import LocalBoards, local_boards
from .one_board import (
    ENGINES,
    OneBoard,
    baseline,
    engines,
    fastest,
    measure_engine,
    tolerance_of,
)
from .onnxruntime_board import OnnxruntimeBoard, beside_local_boards
from .port import Port
from .single import SingleBoard, build_single, run_whole
from .whole import Whole, build_stock, build_whole

__all__ = [
    "ENGINES",
    "TOLERANCE",
    "Artifact",
    "BoardInfo",
    "BuildCache",
    "Cluster",
    "Deployment",
    "LocalBoards",
    "OneBoard",
    "OnnxruntimeBoard",
    "Port",
    "SingleBoard",
    "Whole",
    "baseline",
    "beside_local_boards",
    "build",
    "build_single",
    "build_stock",
    "build_whole",
    "engines",
    "fastest",
    "is_artifact",
    "largest_error",
    "list_boards",
    "load_artifact",
    "local_boards",
    "measure_engine",
    "parse_tracker",
    "relative_error",
    "run_whole",
    "sign_artifact",
    "tolerance_of",
    "user_cache",
]
