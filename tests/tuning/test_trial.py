# SPDX-License-Identifier: Apache-2.0
"""Boards choose among the plans that are predicted to be the fastest."""

from __future__ import annotations

import json

import pytest

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import PlanError
from flexpie_tvm.lab.tuning import Tried, fastest_of, try_plans
from flexpie_tvm.lab.tuning.trial import TIE
from flexpie_tvm.plan import ClusterSpec, Plan, load_plan

SHAPE = ["--shape", "image=1x3x16x16"]


def plan(name: str) -> Plan:
    """One that is told by its name."""
    return Plan(ClusterSpec(1), {}, name)


def test_the_fastest_is_kept_and_of_equal_ones_the_first():
    slow, one, other = Tried(plan("slow"), 2.0), Tried(plan("one"), 1.0), Tried(plan("other"), 1.1)
    assert fastest_of([slow, one, other]) is one
    near = Tried(plan("near"), 1.0 + TIE / 2)
    assert fastest_of([slow, near, one]) is near
    with pytest.raises(PlanError, match="no plan to try"):
        try_plans([], lambda *_: None, None, None)


def test_plan_try_writes_the_plan_that_boards_ran_fastest(small_onnx, boards, tmp_path, capsys):
    path = tmp_path / "plan.json"
    tracker = ["--tracker", f"{boards.host}:{boards.port}", "--key", boards.key]
    command = ["plan", str(small_onnx), *SHAPE, "--boards", "2", "--try", "3", *tracker]
    assert run_command([*command, "-o", str(path)]) == 0
    said = capsys.readouterr().out
    kept = load_plan(path)
    rows = kept.notes["tried"]
    assert len(rows) == said.count("tried ") == 3
    assert all(row["ms"] > 0 for row in rows)
    least = min(row["ms"] for row in rows)
    assert kept.notes["measured_ms"] <= least * (1 + TIE)
    assert {"scheme": kept.scheme, "ms": kept.notes["measured_ms"]}.items() <= max(
        (row for row in rows if row["ms"] == kept.notes["measured_ms"]), key=len
    ).items()
    assert "the fastest of those tried" in said
    assert json.loads(path.read_text())["cluster"]["boards"] == 2
    run = ["run", str(small_onnx), *SHAPE, "--plan", str(path), *tracker, "--repeat", "1"]
    assert run_command(run) == 0  # its boards are free again


@pytest.mark.parametrize(
    "options",
    [
        ["--try", "3"],
        ["--try", "1", "--local"],
        ["--try", "2", "--local", "--scheme", "InH"],
        ["--try", "2", "--local", "--objective", "energy"],
        ["--key", "k"],
        ["--try", "2", "--tracker", "127.0.0.1:1", "--key", "k"],
    ],
)
def test_what_cannot_be_tried_is_one_sentence(small_onnx, options, tmp_path, capsys):
    path = tmp_path / "plan.json"
    assert run_command(["plan", str(small_onnx), *SHAPE, *options, "-o", str(path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not path.exists()
