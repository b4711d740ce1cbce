# SPDX-License-Identifier: Apache-2.0
"""A small net in blocks of four channels, as boards with NEON compute it."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relay

from flexpie_tvm.relay.layout import with_layout

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
BLOCKS = {"data_layout": "NCHW4c", "out_layout": "NCHW4c", "padding": (1, 1)}


@pytest.fixture(scope="session")
def blocked() -> tvm.IRModule:
    """A convolution of 8 to 16 channels and one of single channels, of 1x2x12x10x4."""
    rng = np.random.default_rng(3)

    def weight(*shape: int) -> relay.Constant:
        return relay.const((rng.normal(size=shape) / 6).astype("float32"))

    x = relay.var("x", shape=(1, 2, 12, 10, 4))
    y = relay.nn.contrib_conv2d_nchwc(
        x, weight(4, 2, 3, 3, 4, 4), channels=16, kernel_size=(3, 3),
        kernel_layout="OIHW4i4o", **BLOCKS,
    )  # fmt: skip
    y = relay.nn.contrib_depthwise_conv2d_nchwc(
        relay.nn.relu(y), weight(4, 1, 3, 3, 1, 4), channels=16, groups=16, kernel_size=(3, 3),
        kernel_layout="OIHW1i4o", **BLOCKS,
    )  # fmt: skip
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([x], y)))
    return with_layout(mod, "NCHW4c")
