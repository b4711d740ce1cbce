# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that TVM's importer misreads or lacks -> Relay, one file for each kind."""

from .table import CONVERTERS, converter_of

__all__ = ["CONVERTERS", "converter_of"]
