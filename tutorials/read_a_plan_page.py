# SPDX-License-Identifier: Apache-2.0
"""Make a plan of a small network, and read its page.

Run it with ``python tutorials/read_a_plan_page.py [plan.html]``; it takes some seconds and no
board. For a model file ``flexpie plan model.onnx --compare -o plan.json`` makes the plan, and
``flexpie show plan.json -o plan.html`` the page.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm import relay

import flexpie_tvm
from flexpie_tvm.cost import Analytic
from flexpie_tvm.explain import show_plan, with_report
from flexpie_tvm.plan import compare
from flexpie_tvm.relay import partition

TARGET = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"


def network() -> tvm.IRModule:
    """Three convolutions over an image of 64 x 64."""
    rng, body = np.random.default_rng(0), relay.var("image", shape=(1, 8, 64, 64))
    given = [body]
    for channels, before in ((32, 8), (32, 32), (64, 32)):
        weight = relay.const(rng.normal(size=(channels, before, 3, 3)).astype("float32"))
        sizes = {"channels": channels, "kernel_size": (3, 3), "padding": (1, 1)}
        body = relay.nn.relu(relay.nn.conv2d(body, weight, **sizes))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(given, body)))


def main(page: Path) -> None:
    """Plan for two boards, write the page, and print what is to be read on it."""
    cluster, cost = flexpie_tvm.ClusterSpec(boards=2, bandwidth=1e9), Analytic()
    cut = partition(relay.transform.FlexPiePreOptimize(TARGET)(network()), cluster, cost=cost)
    compared = compare(cut.graph, cluster, cost)
    file = page.with_suffix(".json")
    flexpie_tvm.save_plan(with_report(cut.graph, cut.plan, cost, compared), cut.graph, file)
    show_plan(file, page)

    # 1. The summary: how many boards, what was predicted, by which cost model. `exact` says that
    #    no plan is predicted to be faster; otherwise `gap` says how far the best can be, at most.
    plan = json.loads(file.read_text())
    notes = plan["notes"]
    print(f"predicted {notes['predicted_ms']:.2f} ms by {notes['cost_model']}, "
          f"exact: {notes['exact']}, gap: {notes['gap']:.0%}")  # fmt: skip
    # 2. The comparison: the same network cut in one way throughout, and the best plan. A score of
    #    0.5 is twice as slow as the best.
    for way in compared:
        print(f"  {way.name}: {way.predicted_ms:.2f} ms, score {way.score:.2f}")
    # 3. The timeline: a row for each board. Gaps are waits: a board whose neighbour is slower, or a
    #    link that is busy.
    # 4. The layers: T is followed by an exchange, NT computes more than it owns so that none is
    #    needed. The cut points are where the boards' parts begin and end.
    for layer in plan["layers"]:
        print(f"  {layer['tensor']}: {layer['mode']} {layer.get('scheme', '')}")
    for exchange in plan["exchanges"]:
        sent = len(exchange["messages"])
        print(f"  exchange {exchange['id']} of {exchange['tensor']}: {sent} messages")
    print(f"the page: {page.name}, {page.stat().st_size} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder) / "plan.html")
