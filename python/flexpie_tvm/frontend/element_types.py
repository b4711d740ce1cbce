# SPDX-License-Identifier: Apache-2.0
"""Types of ONNX's tensors by the names that Relay has for them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from ..errors import ModelError

#: Numbers of the standard's that neither numpy nor boards compute with.
NARROW = ("FLOAT8", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2")


def relay_type(elem: int, what: str) -> str:
    """Relay's name of a type.

    Parameters
    ----------
    elem : int
        One of ``onnx.TensorProto.DataType``.
    what : str
        What is of this type, for the message.

    Raises
    ------
    ModelError
        If boards do not have it: texts, and numbers of 4 or 8 bits that are no integers.
    """
    name = onnx.TensorProto.DataType.Name(elem)
    if elem == onnx.TensorProto.BFLOAT16:
        return "bfloat16"
    if not name.startswith(NARROW):
        plain = np.dtype(helper.tensor_dtype_to_np_dtype(elem))
        if plain.kind in "biuf":
            return plain.name
    raise ModelError(f"{what} is of type {name.lower()}, which boards cannot compute with")
