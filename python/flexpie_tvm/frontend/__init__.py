# SPDX-License-Identifier: Apache-2.0
"""Files of trained networks -> modules of Relay."""

from .onnx_model import load_onnx

__all__ = ["load_onnx"]
