#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Operators of whole networks that no plan can cut, and their share of the network's time.

An operator counts if it has no rule or if none of its axes can be cut at its size. Its time
is that of the operator compiled alone, so a share is an upper bound: in the network most are
fused with their neighbours. Networks without such operators are not timed.

    python benchmarks/fallbacks.py --layout x86 arm
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import tvm
from tvm import relay

from flexpie_tvm.graph import Op
from flexpie_tvm.kernels.context import build_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.passes import FlexPiePreOptimize
from flexpie_tvm.relay import Imported, import_module
from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.rules import RULES, rule_for
from flexpie_tvm.testing.networks import NETWORKS, load_network

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
LAYOUTS = ("x86", "arm")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--layout", nargs="+", default=LAYOUTS, choices=LAYOUTS)
    options = parser.parse_args()
    print("| network | layout | operators | not cut | share of time | largest |")
    print("|---" * 6 + "|")
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            whole = load_network(name, Path(folder))
        for layout in options.layout:
            mod = FlexPiePreOptimize(ARM if layout == "arm" else host_target())(whole)
            print(f"| {name} | {layout} | {row(mod)} |", flush=True)


def row(mod: tvm.IRModule) -> str:
    """Number of operators, of those that are not cut, their share of time, the largest share."""
    imported = import_module(mod)
    ops = imported.graph.ops
    found = [op for op in ops if not rule_for(op).cuttable(op)]
    if not found:
        return f"{len(ops)} | 0 | 0 | "
    total = milliseconds(mod)
    times = Counter()
    for op in found:
        known = "" if op.kind in RULES else " (no rule)"
        times[op.kind + known] += milliseconds(alone(imported, op))
    kind, most = times.most_common(1)[0]
    share = sum(times.values()) / total
    return f"{len(ops)} | {len(found)} | {share:.2%} of {total:.1f} ms | {kind} {most / total:.2%}"


def alone(imported: Imported, op: Op) -> tvm.IRModule:
    """A module of one operator; its constants stay constants."""
    call = imported.calls[op.id]
    params = []

    def operand(expr: relay.Expr) -> relay.Expr:
        if isinstance(expr, relay.Constant):
            return expr
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([operand(field) for field in expr.fields])
        params.append(relay.var(f"x{len(params)}", expr.checked_type))
        return params[-1]

    args = [operand(arg) for arg in call.args]
    return tvm.IRModule.from_expr(relay.Function(params, relay.Call(call.op, args, call.attrs)))


def milliseconds(mod: tvm.IRModule) -> float:
    """Median time of one run on this machine, of 10."""
    with build_context(laid_out=True):
        library = relay.build(mod, target=keyed(host_target()))
    module = tvm.contrib.graph_executor.GraphModule(library["default"](tvm.cpu()))
    rng = np.random.default_rng(0)
    for var in mod["main"].params:
        kind = var.type_annotation
        value = rng.normal(size=[int(n) for n in kind.shape]).astype(kind.dtype)
        module.set_input(var.name_hint, value)
    module.run()
    return module.module.time_evaluator("run", tvm.cpu(), number=1, repeat=10)().median * 1e3


if __name__ == "__main__":
    main()
