# SPDX-License-Identifier: Apache-2.0
"""Our own kernels and schedules in the place of TVM's, for x86 targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tvm.topi import x86

from .batch_products import batch_product, schedule_batch_product
from .free_steps import free_steps
from .group_convolutions import (
    grouped_convolution,
    plain_convolution,
    schedule_grouped_convolution,
    schedule_plain_convolution,
)
from .tiled_moves import tiled_moves
from .vector_sums import vector_sums

_ALWAYS = {
    "batch_matmul": batch_product,
    "schedule_batch_matmul": schedule_batch_product,
    "group_conv2d_nchw": grouped_convolution,
    "schedule_group_conv2d_nchw": schedule_grouped_convolution,
}
#: TVM's layout pass looks for its own schedules of these.
_LAID_OUT = {
    "conv2d_nchw": plain_convolution,
    "schedule_conv2d_nchw": schedule_plain_convolution,
}


@contextmanager
def own_kernels(laid_out: bool) -> Iterator[None]:
    """While inside, TVM takes our kernels where they are faster than its own.

    ``laid_out`` says that no pass of TVM's will choose layouts any more.
    """
    with free_steps(), vector_sums(), tiled_moves(), ExitStack() as stack:
        for name, own in (_ALWAYS | (_LAID_OUT if laid_out else {})).items():
            stack.enter_context(patch.object(x86, name, own))
        yield
