# SPDX-License-Identifier: Apache-2.0
"""TVM's ONNX importer, but with our way to fold constants, to find types and to pad.

It has no door for them, so an import gets a copy of the importer's module of its own, in which
they are ours. TVM's own stays as it is, also while other imports run.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
from tvm import relay
from tvm.relay.frontend import common

from .import_fold import ImportFolder
from .local_types import shape_of, typed
from .static_shape import static_shape
from .windows import UNFILLED, unfilled

MODULE = "tvm.relay.frontend.onnx"


def onnx_importer() -> ModuleType:
    """A fresh copy of TVM's importer; its ``from_onnx`` is called as TVM's."""
    found = importlib.util.find_spec(MODULE)
    spec = importlib.util.spec_from_file_location(f"{MODULE}_of_flexpie", found.origin)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fold_constant = ImportFolder(common.fold_constant)
    module.autopad = same_padded
    module.infer_type, module.infer_shape = typed, shape_of
    return module


def same_padded(
    data: relay.Expr,
    strides,
    kernel_shape,
    dilations=(1, 1),
    pad_type: str = "constant",
    deconv: bool = False,
    mode: str = "SAME_UPPER",
    pad_value=0.0,
) -> relay.Expr:
    """An image padded as ONNX's ``auto_pad`` says, with numbers wherever its shape is known.

    TVM computes them with operators that are folded later, in code that LLVM 22 rejects (floor
    divisions of vectors).

    Parameters
    ----------
    data : relay.Expr
        ``(N, C, ...)``.
    strides, kernel_shape, dilations : sequence of int
        Of each axis but the first two.
    pad_type, pad_value
        As of ``nn.pad``.
    deconv : bool
        Whether it is for a transposed convolution.
    mode : str
        ``SAME_UPPER``, or ``SAME_LOWER``, which pads an odd number more in front.
    """
    sizes = static_shape(data)
    if sizes is None:
        return common.autopad(
            data, strides, kernel_shape, dilations, pad_type, deconv, mode, pad_value
        )
    widths = [(0, 0), (0, 0)]
    apart = [*dilations, *[1] * len(sizes)]  # TVM names two, whatever the number of axes
    for size, stride, window, dilation in zip(
        sizes[2:], strides, kernel_shape, apart[: len(sizes) - 2], strict=True
    ):
        if not deconv and unfilled(size, (window - 1) * dilation + 1, stride):
            raise ValueError(UNFILLED)
        total = same_padding(size, (window - 1) * dilation + 1, stride)
        if deconv:
            total = window - 1 - total
        less, more = total // 2, total - total // 2
        widths.append((more, less) if "LOWER" in mode else (less, more))
    value = relay.const(pad_value) if isinstance(pad_value, float | int) else pad_value
    return relay.nn.pad(data, relay.const(np.array(widths, "int64")), value, pad_type)


def same_padding(size: int, span: int, stride: int) -> int:
    """Elements to add so that a window of a span has a result for each ``stride`` elements."""
    return max(span - (size % stride or stride), 0)
