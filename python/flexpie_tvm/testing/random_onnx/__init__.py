# SPDX-License-Identifier: Apache-2.0
"""Random ONNX nodes of every kind, their answers by onnxruntime, and whether ours are the same."""

from .check import Outcome, check_nodes
from .draws import Draw
from .table import KINDS, random_node

__all__ = ["KINDS", "Draw", "Outcome", "check_nodes", "random_node"]
