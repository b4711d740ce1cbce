# SPDX-License-Identifier: Apache-2.0
"""The floating point that a model computes in, and its type."""

from __future__ import annotations

FP32 = "fp32"
FP16 = "fp16"
PRECISIONS = (FP32, FP16)
#: Precision -> what TVM and numpy call its numbers.
DTYPES = {FP32: "float32", FP16: "float16"}
