# SPDX-License-Identifier: Apache-2.0
"""Boxes and the layer graph: plain Python data, no TVM."""

from .fusion import fuse_layers
from .graph import Axes, Graph, Layer, Op, Tensor
from .region import Region, empty, hull, whole

__all__ = [
    "Axes",
    "Graph",
    "Layer",
    "Op",
    "Region",
    "Tensor",
    "empty",
    "fuse_layers",
    "hull",
    "whole",
]
