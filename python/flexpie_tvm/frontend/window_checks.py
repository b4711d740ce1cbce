# SPDX-License-Identifier: Apache-2.0
"""Windows that no tensor has: onnx's own shape inference ends the process over them.

It divides by strides without a look at them, and reads as many sizes of an input as its weight has.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from ..errors import ModelError

#: Operators whose windows slide over an input, and the place of their weight.
WEIGHT_OF = {
    "AveragePool": None,
    "Conv": 1,
    "ConvInteger": 1,
    "ConvTranspose": 1,
    "LpPool": None,
    "MaxPool": None,
    "MaxUnpool": None,
    "QLinearConv": 3,
}


def check_window(text: str, node: onnx.NodeProto, ranks: Sequence[int | None]) -> None:
    """Refuse an operator whose window is none.

    Parameters
    ----------
    text : str
        What the operator is called in messages.
    node : onnx.NodeProto
        Any operator.
    ranks : sequence of int or None
        Axes of each input, where known.

    Raises
    ------
    ModelError
        If strides, dilations or a kernel are not all above 0, or are for other axes than the
        inputs have.
    """
    if node.op_type not in WEIGHT_OF:
        return
    rank, weight = ranks[0] if ranks else None, WEIGHT_OF[node.op_type]
    if rank is not None and rank < 3:
        raise ModelError(f"{text} slides over an input of {rank} axes: it needs 3 or more")
    known = weight is not None and weight < len(ranks) and ranks[weight] is not None
    if known and rank is not None and ranks[weight] != rank:
        raise ModelError(f"{text} has a weight of {ranks[weight]} axes for an input of {rank}")
    for attribute in node.attribute:
        if attribute.name in ("strides", "dilations", "kernel_shape"):
            sizes = list(attribute.ints)
            if any(size < 1 for size in sizes):
                raise ModelError(f"{text} has {attribute.name} {sizes}: give 1 or more each")
            if rank is not None and len(sizes) != rank - 2:
                raise ModelError(f"{text} has {attribute.name} {sizes} for an input of {rank} axes")
