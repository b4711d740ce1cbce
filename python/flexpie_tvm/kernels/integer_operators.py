# SPDX-License-Identifier: Apache-2.0
"""Operators of ours for sums of products of integers, with weights packed for one target.

``flexpie.integer_conv2d`` and ``flexpie.integer_dense`` stand in no model: what a board computes is
rewritten to them as it is compiled (`passes.integer_kernels`).
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relay, te
from tvm.relay.op import op as _op

from .blocked_depthwise import blocked_depthwise, schedule_blocked_depthwise
from .integer_conv import integer_conv, schedule_integer_conv
from .integer_dense import integer_dense, schedule_integer_dense
from .products import LEAST, Products, products_of
from .target import cache_of, unit_of

CONV, DEPTHWISE, DENSE = (f"flexpie.integer_{kind}" for kind in ("conv2d", "depthwise", "dense"))


def register() -> None:
    """Make the operators known to Relay; calling again does nothing."""
    for name, infer, strategy in (
        (CONV, _conv_type, _conv_strategy),
        (DEPTHWISE, _depthwise_type, _depthwise_strategy),
        (DENSE, _dense_type, _dense_strategy),
    ):
        if name in tvm.ir.Op.list_op_names():
            continue
        _op.register(name, "Sums of products of integers; weights are packed.")
        op = _op.get(name)
        op.set_num_inputs(2)
        op.add_argument("data", "Tensor", "The image or the rows.")
        op.add_argument("weight", "Tensor", "Packed weights.")
        op.set_support_level(10)
        op.set_attrs_type_key("DictAttrs")
        op.add_type_rel(f"{name}.type", infer)
        _op.register_pattern(name, _op.OpPattern.OUT_ELEMWISE_FUSABLE)
        _op.register_strategy(name, _generic(name, strategy))


def conv(
    name: str,
    data: relay.Expr,
    weight: relay.Expr,
    attrs: dict,
    around: int,
    least: int = LEAST,
) -> relay.Call:
    """A convolution.

    Parameters
    ----------
    name : str
        `CONV` or `DEPTHWISE`.
    data, weight : relay.Expr
        As of the kernel.
    attrs : dict
        With ``strides``, ``padding`` (above, left, below, right) and ``dilation``.
    around : int
        What the image is padded with.
    least : int
        No weight is less.
    """
    kept = {key: [int(n) for n in attrs[key]] for key in ("strides", "padding", "dilation")}
    made = tvm.ir.make_node("DictAttrs", around=around, least=least, **kept)
    return relay.Call(_op.get(name), [data, weight], made)


def dense(data: relay.Expr, weight: relay.Expr, least: int = LEAST) -> relay.Call:
    """A product of rows and packed columns; no weight is less than ``least``."""
    return relay.Call(_op.get(DENSE), [data, weight], tvm.ir.make_node("DictAttrs", least=least))


def _numbers(attrs, key: str) -> tuple[int, ...]:
    return tuple(int(n) for n in attrs[key])


def _image_type(args, attrs, window: tuple[int, int], blocks: int, block: int):
    data = args[0]
    above, left, below, right = _numbers(attrs, "padding")
    sizes = (
        (int(size) + pad - ((taps - 1) * spread + 1)) // step + 1
        for size, pad, taps, spread, step in zip(
            data.shape[2:4], (above + below, left + right), window,
            _numbers(attrs, "dilation"), _numbers(attrs, "strides"), strict=True,
        )
    )  # fmt: skip
    return tvm.ir.TensorType((int(data.shape[0]), blocks, *sizes, block), "int32")


def _conv_type(args, attrs):
    blocks, _, high, wide, _, block, _ = (int(n) for n in args[1].shape)
    return _image_type(args, attrs, (high, wide), blocks, block)


def _depthwise_type(args, attrs):
    blocks, _, high, wide, _, block = (int(n) for n in args[1].shape)
    return _image_type(args, attrs, (high, wide), blocks, block)


def _dense_type(args, attrs):
    blocks, _, block, _ = (int(n) for n in args[1].shape)
    return tvm.ir.TensorType((int(args[0].shape[0]), blocks * block), "int32")


def _conv_strategy(attrs, inputs, target):
    products = _products(attrs, inputs, target)
    shape = (_numbers(attrs, key) for key in ("strides", "padding", "dilation"))
    made = integer_conv(*inputs, *shape, int(attrs["around"]), products)
    registers = unit_of(target).registers
    return made, lambda outs: schedule_integer_conv(outs, products, registers, cache_of(target))


def _depthwise_strategy(attrs, inputs, target):
    kind = inputs[1].dtype
    shape = (_numbers(attrs, key) for key in ("strides", "padding", "dilation"))
    out = "int32" if kind == "int16" else "float32"
    made = blocked_depthwise(*inputs, *shape, out, int(attrs["around"]), kind)
    if out == "float32":  # all numbers are integers, and small enough to be exact
        made = te.compute(made.shape, lambda *at: made[at].astype("int32"), "sums", "elemwise")
    registers = unit_of(target).registers
    return made, lambda outs: schedule_blocked_depthwise(outs, registers)


def _dense_strategy(attrs, inputs, target):
    products = _products(attrs, inputs, target)
    made = integer_dense(*inputs, products)
    return made, lambda outs: schedule_integer_dense(outs, products, unit_of(target).registers)


def _products(attrs, inputs, target) -> Products:
    """With which weights were packed."""
    data, weight = (tensor.dtype for tensor in inputs)
    return products_of(target, weight, data == "int8", int(attrs["least"]))


def _generic(name: str, own: Callable):
    @tvm.target.override_native_generic_func(f"{name}.strategy")
    def strategy(attrs, inputs, out_type, target):
        found = _op.OpStrategy()
        scheduled = []

        def compute(attrs, inputs, out_type):
            made, schedule = own(attrs, inputs, target)
            scheduled[:] = [schedule]
            return [made]

        found.add_implementation(compute, lambda attrs, outs, target: scheduled[0](outs), name)
        return found

    return strategy
