# SPDX-License-Identifier: Apache-2.0
"""Weights of dense layers in the order in which kernels read them.

TVM's kernel takes weights in blocks of columns. Given plain weights it packs them in every run,
which for a single row of input is nearly all of its time. TVM's own AlterOpLayout moves the
packing to the compiler, but is off where the model was laid out before it was cut.

Shares of columns may have no divisor that makes a good block: 1366 are taken two by two, which
takes ten times as long as 1376. Such weights get columns of zeros, whose results are dropped.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import tvm
from tvm import relay

from ..graph.steps import column_block, padded_columns
from ..kernels.packed_dense import block_of_columns
from ..kernels.target import LIBRARIES, unit_of
from ..machine import VectorUnit
from ..relay.attrs import plain_attrs
from ..relay.rewrite import rewrite_main
from .fold import relayout


def pack_dense(
    mod: tvm.IRModule, target: tvm.target.Target, weights: Collection[str] = ()
) -> tvm.IRModule:
    """Let products of rows and constant weights take their weights packed.

    Parameters
    ----------
    mod : tvm.IRModule
        What is compiled next.
    target : tvm.target.Target
        Its target.
    weights : collection of str
        Names of parameters that stand for constants. They are packed by the function itself.

    Returns
    -------
    mod : tvm.IRModule
        A module of equal results. Weights of several products are packed once.
    """
    unit = unit_of(target)
    if unit is None or set(target.libs) & set(LIBRARIES):
        return mod
    return rewrite_main(mod, _Packer(unit, weights).change)


def packed_columns(rows: int, columns: int, unit: VectorUnit) -> tuple[int, int]:
    """Columns of a product with those that are added, and how many make a block.

    Parameters
    ----------
    rows, columns : int
        Of the product.
    unit : VectorUnit
        Of the target, as the product's type sees it.
    """
    if unit.is_arm:
        block = block_of_columns(rows, columns, unit.registers, unit.lanes)
        return -(-columns // block) * block, block
    padded = padded_columns(columns, unit.lanes)
    return padded, column_block(padded, unit.lanes)


class _Packer:
    """Rewrites products, and remembers the weights that it has packed."""

    def __init__(self, unit: VectorUnit, weights: Collection[str]):
        self._unit, self._weights = unit, frozenset(weights)
        self._packed: dict[tuple[relay.Expr, str, str], relay.Expr] = {}

    def change(self, old: relay.Expr, new: relay.Expr) -> relay.Expr:
        source = _weight_layout(old, self._unit.floats)
        if source is None or not self._is_constant(new.args[1]):
            return new
        rows, columns = (int(n) for n in old.checked_type.shape)
        dtype = old.checked_type.dtype
        padded, block = packed_columns(rows, columns, self._unit.of(dtype))
        layout = f"NC{block}n"
        packed = self._pack(new.args[1], source, layout, padded - columns)
        product = relay.nn.contrib_dense_pack(new.args[0], packed, layout, padded, dtype)
        if padded == columns:
            return product
        return relay.strided_slice(product, [0, 0], [rows, columns])

    def _is_constant(self, weight: relay.Expr) -> bool:
        if isinstance(weight, relay.Var):
            return weight.name_hint in self._weights
        return isinstance(weight, relay.Constant)

    def _pack(self, weight: relay.Expr, source: str, layout: str, more: int) -> relay.Expr:
        key = (weight, source, layout)
        if key not in self._packed:
            zeros = [(0, more if axis == "N" else 0) for axis in source]
            if isinstance(weight, relay.Constant):
                value = relayout(np.pad(weight.data.numpy(), zeros), source, layout)
                self._packed[key] = relay.const(np.ascontiguousarray(value))
            else:
                wide = relay.nn.pad(weight, zeros) if more else weight
                self._packed[key] = relay.layout_transform(wide, source, layout)
        return self._packed[key]


def _weight_layout(node: relay.Expr, dtypes: Collection[str]) -> str | None:
    """Layout of the weights of a product of static matrices of some types; None for all else."""
    if not isinstance(node, relay.Call) or not isinstance(node.op, tvm.ir.Op):
        return None
    if node.op.name not in ("nn.dense", "nn.matmul"):
        return None
    attrs = plain_attrs(node)
    kinds = [*(arg.checked_type for arg in node.args), node.checked_type]
    dtype = node.checked_type.dtype
    plain = all(kind.dtype == dtype and len(kind.shape) == 2 for kind in kinds)
    if not plain or dtype not in dtypes or any(relay.ty.is_dynamic(kind) for kind in kinds):
        return None
    if attrs.get("transpose_a", False):
        return None
    return "NC" if attrs.get("transpose_b", True) else "CN"
