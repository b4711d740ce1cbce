# SPDX-License-Identifier: Apache-2.0
"""How TVM comes to our kernels: strategies registered under a target key of our own.

For a target with the key `KEY`, TVM asks the strategy that is registered here for each operator.
That is ours if `strategies` has one that knows the case, and else what TVM has for the target
without the key, where a schedule of ours may take the place of TVM's. Targets without the key
never come here.
"""

from __future__ import annotations

from collections.abc import Callable

import tvm
from tvm import relay, te
from tvm.relay.op import OpStrategy

from ..machine import VectorUnit
from .strategies import OPERATORS, SCHEDULES
from .target import KEY, unit_of, unkeyed


def register() -> None:
    """Put strategies for all operators of Relay under our key; once is enough."""
    for name in tvm.ir.Op.list_op_names():
        stock = relay.op.get(name).get_attr("FTVMStrategy")
        if stock is not None:
            stock.register(_strategy(stock, OPERATORS.get(str(name))), KEY, allow_override=True)


def _strategy(stock: tvm.target.GenericFunc, own: Callable | None) -> Callable:
    def strategy(attrs, inputs, out_type, target) -> OpStrategy:
        unit = unit_of(target)
        found = None
        if own is not None and unit is not None:
            found = own(attrs, inputs, out_type, target, unit)
        if found is not None:
            return found
        bare = unkeyed(target)
        with bare:
            theirs = stock(attrs, inputs, out_type, bare)
        return theirs if unit is None else _rescheduled(theirs, unit)

    return strategy


def _rescheduled(theirs: OpStrategy, unit: VectorUnit) -> OpStrategy:
    """A strategy of TVM's with our schedule, for kinds of operators that have one."""
    implementations = [one for part in theirs.specializations for one in part.implementations]
    own = SCHEDULES.get(implementations[0].name.partition(".")[0]) if implementations else None
    if own is None:
        return theirs
    strategy = OpStrategy()
    for implementation in implementations:
        strategy.add_implementation(
            implementation.compute,
            _schedule(implementation, own, unit),
            f"{implementation.name}.{KEY}",
            implementation.plevel,
        )
    return strategy


def _schedule(implementation, own: Callable, unit: VectorUnit) -> Callable:
    """Our schedule of kernels of one tensor; TVM's where ours is None, and of others."""

    def schedule(attrs, outs, target) -> te.Schedule:
        tensors = [outs] if isinstance(outs, te.Tensor) else list(outs)
        with target:
            found = own(tensors[0], unit) if len(tensors) == 1 else None
        return implementation.schedule(attrs, outs, target) if found is None else found

    return schedule
