# SPDX-License-Identifier: Apache-2.0
"""Our own kernels and schedules in the place of TVM's, for x86 targets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tvm.topi import x86

from .batch_products import batch_product, schedule_batch_product
from .free_steps import free_steps
from .vector_sums import vector_sums


@contextmanager
def own_kernels() -> Iterator[None]:
    """While inside, TVM takes our kernels where they are faster than its own."""
    replaced = {"batch_matmul": batch_product, "schedule_batch_matmul": schedule_batch_product}
    with free_steps(), vector_sums(), ExitStack() as stack:
        for name, own in replaced.items():
            stack.enter_context(patch.object(x86, name, own))
        yield
