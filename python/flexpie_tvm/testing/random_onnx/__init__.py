# SPDX-License-Identifier: Apache-2.0
"""Random ONNX nodes of every kind and small graphs, and whether we answer as onnxruntime."""

from .check import Outcome, check_graph, check_nodes
from .draws import Draw
from .graphs import RandomGraph, random_graph
from .table import KINDS, random_node

__all__ = [
    "KINDS",
    "Draw",
    "Outcome",
    "RandomGraph",
    "check_graph",
    "check_nodes",
    "random_graph",
    "random_node",
]
