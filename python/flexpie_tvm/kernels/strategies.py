# SPDX-License-Identifier: Apache-2.0
"""Which operators have kernels of ours, and which kinds of operators schedules of ours.

A strategy gets what TVM gives (attributes, inputs, type of the result, target) and the target's
vector unit. It returns None for what it does not know, which is left to TVM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tvm import te
from tvm.relay.op import OpStrategy

from ..machine import VectorUnit
from . import batch_matmul as batch_products
from . import concat as concatenations
from . import grouped_conv as group_convolutions
from . import templates
from . import transposed_conv as transposed_convolutions
from .moves import moved
from .reduce import normalised, summed
from .softmax import rows as softmax_rows

Strategy = Callable[..., OpStrategy | None]
Schedule = Callable[[te.Tensor, VectorUnit], te.Schedule | None]

#: Relay's operators.
OPERATORS: Mapping[str, Strategy] = {
    "concatenate": concatenations.strategy,
    "nn.batch_matmul": batch_products.strategy,
    "nn.contrib_conv2d_NCHWc": templates.conv_strategy,
    "nn.contrib_conv2d_winograd_without_weight_transform": templates.winograd_strategy,
    "nn.contrib_dense_pack": templates.dense_strategy,
    "nn.contrib_depthwise_conv2d_NCHWc": templates.depthwise_strategy,
    "nn.conv2d": group_convolutions.strategy,
    "nn.conv2d_transpose": transposed_convolutions.strategy,
}
#: What TVM calls the implementations of operators that share a schedule, up to the first dot.
SCHEDULES: Mapping[str, Schedule] = {
    "adaptive_pool": summed,
    "injective": moved,
    "layout_transform": moved,
    "log_softmax": softmax_rows,
    "lrn": normalised,
    "pad": moved,
    "pool": summed,
    "reduce": summed,
    "softmax": softmax_rows,
    "transpose": moved,
}
