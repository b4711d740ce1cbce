# SPDX-License-Identifier: Apache-2.0
"""``flexpie.partition``: an identity that carries a layer's scheme, mode and split.

An annotated module is still the whole model: the operator returns its input, fuses into
the layer before it and compiles on one board like any other elementwise operator.
"""

from __future__ import annotations

import tvm
from tvm import relay, topi
from tvm.relay.op import op as _op

from ..plan import Choice, Split

NAME = "flexpie.partition"


def register() -> None:
    """Make the operator known to Relay; calling again does nothing."""
    if NAME in tvm.ir.Op.list_op_names():
        return
    _op.register(NAME, "Marks the output of a layer with its scheme, mode and split.")
    op = _op.get(NAME)
    op.set_num_inputs(1)
    op.add_argument("data", "Tensor", "The layer's output.")
    op.set_support_level(10)
    # no set_attrs_type_key: of attributes of that type the printer writes what no parser reads
    op.add_type_rel("FlexPiePartition", lambda args, attrs: args[0])
    _op.register_pattern(NAME, _op.OpPattern.ELEMWISE)
    _op.register_strategy(NAME, _strategy())


def annotate(data: relay.Expr, layer: str, anchor: str, choice: Choice) -> relay.Expr:
    """Wrap a layer's output."""
    extra = {"ranks": list(choice.split.ranks)} if choice.split.ranks else {}
    attrs = tvm.ir.make_node(
        "DictAttrs",
        layer=layer,
        op=anchor,
        mode=choice.mode,
        scheme=choice.scheme,
        axes=list(choice.split.axes),
        cuts=[list(points) for points in choice.split.cuts],
        **extra,
    )
    return relay.Call(_op.get(NAME), [data], attrs)


def choice_of(attrs: dict) -> Choice:
    """The choice that an annotation carries, from its plain attributes."""
    cuts = tuple(tuple(points) for points in attrs.get("cuts", ()))
    split = Split(tuple(attrs.get("axes", ())), cuts, tuple(attrs.get("ranks", ())))
    return Choice(attrs["mode"], attrs["scheme"], split)


def _strategy():
    @tvm.target.override_native_generic_func("flexpie_partition_strategy")
    def strategy(attrs, inputs, out_type, target):
        strategy = _op.OpStrategy()
        strategy.add_implementation(
            lambda attrs, inputs, out_type: [topi.identity(inputs[0])],
            lambda attrs, outs, target: (
                topi.generic.schedule_injective(outs)
                if "cpu" not in target.keys
                else topi.x86.schedule_injective(outs)
            ),
            name="flexpie_partition",
        )
        return strategy

    return strategy
