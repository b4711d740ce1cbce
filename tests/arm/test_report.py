# SPDX-License-Identifier: Apache-2.0
"""What the report says of measurements, and what is kept of them."""

from __future__ import annotations

import json
import shutil

import pytest

from flexpie_tvm.errors import InputError, ToolError
from flexpie_tvm.lab.counting.cpus import counted_cpu
from flexpie_tvm.lab.counting.measure import Inference, NetworkCounts
from flexpie_tvm.lab.counting.profile import CodeCost, Kernel
from flexpie_tvm.lab.counting.programs import counting_qemu
from flexpie_tvm.lab.counting.report import report


def inference(instructions: int, cycles: float = 0.0) -> Inference:
    cost = CodeCost(instructions, 4 * instructions, 1000, 100, {"cortex-a72": cycles})
    return Inference(cost, (Kernel("net.so", "tvmgen_default_fused_conv2d", cost),), 1e-6)


def measured(network: str, **engines: Inference) -> NetworkCounts:
    return NetworkCounts(network, "cortex-a72", 10**8, engines)


def row(text: str, title: str, first: str) -> list[str]:
    part = text.split(f"## {title}\n")[1].split("\n## ")[0]
    line = next(line for line in part.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ours_is_divided_by_others_and_the_median_told():
    every = [
        measured(name, flexpie=inference(ours, 3e6), onnxruntime=inference(200, 4e6))
        for name, ours in (("a", 100), ("b", 300), ("c", 180))
    ]
    text = report(every, "make arm", 3)
    assert row(text, "Ours / onnxruntime", "b")[2:4] == ["1.50", "0.75"]
    assert row(text, "Ours / onnxruntime", "median")[2] == "0.90"
    assert "Ours / ncnn" not in text
    assert "`fused_conv2d`" in text


def test_an_engine_that_cannot_run_a_network_is_told():
    refused = NetworkCounts("a", "cortex-a72", 1, {}, {"ncnn": "pnnx does not convert a"})
    assert "pnnx does not convert a" in row(report([refused], "make arm", 0), "One board", "a")


def test_the_boards_sum_is_told_beside_one_board():
    tiles = {"Single": (4_000_000,), "InH": (1_500_000, 2_700_000)}
    text = report([NetworkCounts("a", "cortex-a72", 1, tiles=tiles)], "make arm", 0)
    cells = row(text, "Boards that share a network", "a")
    assert cells[2:] == ["InH", "4.0", "1.5 2.7", "1.05"]


def test_what_is_counted_anew_replaces_only_itself():
    old = NetworkCounts(
        "a", "cortex-a72", 1, {"tvm": inference(5)}, {"ncnn": "no"}, {"InH": (1, 2)}
    )
    read = NetworkCounts.from_json(json.loads(json.dumps(old.to_json())))
    assert read.engines == old.engines
    both = read.updated(measured("a", flexpie=inference(3), ncnn=inference(4)))
    assert {e: i.total.instructions for e, i in both.engines.items()} == {
        "tvm": 5,
        "flexpie": 3,
        "ncnn": 4,
    }
    assert not both.refused
    assert tuple(both.tiles["InH"]) == (1, 2)


def test_without_a_qemu_that_takes_plugins_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(ToolError, match="takes plugins: install qemu-user"):
        counting_qemu()


def test_an_unknown_processor_is_refused():
    with pytest.raises(InputError, match="'cortex-x9' cannot be counted for: choose one of"):
        counted_cpu("cortex-x9")
