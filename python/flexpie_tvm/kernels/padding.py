# SPDX-License-Identifier: Apache-2.0
"""Images with a frame of zeros, in NCHW[x]c."""

from __future__ import annotations

from tvm import te, tir

NAME = "padded"
#: What a schedule asks to have loops over the frame cut from those over the image.
MARK = "loop_partition_hint"


def padded(data: te.Tensor, padding: tuple[int, int, int, int]) -> te.Tensor:
    """The image with zeros above, left, below and right; the tensor itself if there are none.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``.
    padding : tuple of int
        Above, left, below, right.
    """
    top, left, bottom, right = padding
    if not any(padding):
        return data
    batch, blocks, height, width, block = data.shape
    zero = tir.const(0, data.dtype)

    def value(n, c, y, x, b):
        # one condition each: that is what TVM cuts loops at
        inside = data[n, c, y - top, x - left, b]
        tests = (
            (left > 0, x >= left), (right > 0, x < width + left),
            (top > 0, y >= top), (bottom > 0, y < height + top),
        )  # fmt: skip
        for needed, test in tests:
            if needed:
                inside = tir.if_then_else(tir.likely(test), inside, zero)
        return inside

    shape = (batch, blocks, height + top + bottom, width + left + right, block)
    return te.compute(shape, value, NAME)


def is_padded(tensor: te.Tensor) -> bool:
    """Whether a tensor is one of `padded`."""
    return isinstance(tensor.op, te.ComputeOp) and tensor.op.name == NAME


def schedule_padded(s: te.Schedule, image: te.Tensor, parallel: bool) -> None:
    """Copy rows in whole, without asking for each element whether it is of the frame.

    Parameters
    ----------
    s : te.Schedule
        Where the image's stage has its place already.
    image : te.Tensor
        Of `padded`.
    parallel : bool
        Whether blocks of channels are shared among threads here.
    """
    _, c, y, _, b = s[image].op.axis
    if parallel:
        s[image].parallel(c)
    s[image].pragma(y, MARK)
    s[image].vectorize(b)
