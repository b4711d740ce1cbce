# SPDX-License-Identifier: Apache-2.0
"""Images with a frame around them, in NCHW[x]c, in the type in which they are multiplied."""

from __future__ import annotations

from tvm import te, tir

NAME = "padded"
#: What a schedule asks to have loops over the frame cut from those over the image.
MARK = "loop_partition_hint"


def padded(
    data: te.Tensor,
    padding: tuple[int, int, int, int],
    around: int = 0,
    dtype: str | None = None,
    lower: int = 0,
) -> te.Tensor:
    """The image with a frame of one number; the tensor itself if nothing is to be changed.

    Parameters
    ----------
    data : te.Tensor
        ``(N, C // x, H, W, x)``.
    padding : tuple of int
        Above, left, below, right.
    around : int
        The number of the frame.
    dtype : str, optional
        Type of the result; the data's by default.
    lower : int
        What is taken from all numbers, the frame's too.
    """
    top, left, bottom, right = padding
    dtype = data.dtype if dtype is None else dtype
    if not any(padding) and dtype == data.dtype:
        return data
    batch, blocks, height, width, block = data.shape
    frame = tir.const(around - lower, dtype)

    def value(n, c, y, x, b):
        # one condition each: that is what TVM cuts loops at
        inside = _as(data[n, c, y - top, x - left, b], dtype, lower)
        tests = (
            (left > 0, x >= left), (right > 0, x < width + left),
            (top > 0, y >= top), (bottom > 0, y < height + top),
        )  # fmt: skip
        for needed, test in tests:
            if needed:
                inside = tir.if_then_else(tir.likely(test), inside, frame)
        return inside

    shape = (batch, blocks, height + top + bottom, width + left + right, block)
    return te.compute(shape, value, NAME)


def _as(number: tir.PrimExpr, dtype: str, lower: int) -> tir.PrimExpr:
    if (number.dtype, dtype, lower) == ("uint8", "int8", 128):
        return tir.reinterpret("int8", number ^ tir.const(128, "uint8"))
    number = number if number.dtype == dtype else number.astype(dtype)
    return number - tir.const(lower, dtype) if lower else number


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
