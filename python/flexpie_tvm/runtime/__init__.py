# SPDX-License-Identifier: Apache-2.0
"""Artifacts, boards, deployments."""

from .artifact import Artifact, Port, is_artifact, load_artifact
from .cluster import Cluster, parse_tracker
from .compile import build
from .deployment import Deployment
from .inventory import BoardInfo, list_boards
from .local import LocalBoards, local_boards
from .onnxruntime_board import OnnxruntimeBoard
from .single import SingleBoard, build_single, relative_error, run_whole

__all__ = [
    "Artifact",
    "BoardInfo",
    "Cluster",
    "Deployment",
    "LocalBoards",
    "OnnxruntimeBoard",
    "Port",
    "SingleBoard",
    "build",
    "build_single",
    "is_artifact",
    "list_boards",
    "load_artifact",
    "local_boards",
    "parse_tracker",
    "relative_error",
    "run_whole",
]
