# SPDX-License-Identifier: Apache-2.0
"""Files of trained networks -> modules of Relay."""

from ..tvm_check import require_relay

require_relay()

from .onnx_model import load_onnx  # noqa: E402 - TVM is checked before it is used

__all__ = ["load_onnx"]
