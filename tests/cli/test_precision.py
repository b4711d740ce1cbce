# SPDX-License-Identifier: Apache-2.0
"""``--precision``: what plans and artifacts say of it, and what is refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.cli.verify import judge
from flexpie_tvm.errors import VerifyError
from flexpie_tvm.runtime import OneBoard, load_artifact, tolerance_of

TARGET = "llvm -mtriple=aarch64-linux-gnu -mcpu={} -keys=arm_cpu,cpu"
A76, A72 = TARGET.format("cortex-a76"), TARGET.format("cortex-a72")
SHAPE = ["--shape", "image=1x3x16x16", "--boards", "2", "--scheme", "InH"]
HALF = ["--precision", "fp16"]


def sent(plan: dict) -> int:
    """Numbers that boards exchange."""
    regions = [m["region"] for e in plan["exchanges"] for m in e["messages"]]
    return sum(int(np.prod([b - a for a, b in region])) for region in regions)


def test_a_plan_and_its_artifact_are_narrow_and_say_so(small_onnx, tmp_path, capsys):
    path, page, built = (tmp_path / name for name in ("plan.json", "plan.html", "small.flexpie"))
    model = [str(small_onnx), *SHAPE[:2], "--target", A76]
    planned = ["plan", str(small_onnx), *SHAPE, "--target", A76, *HALF, "-o", str(path)]
    assert run_command(planned) == 0
    plan = json.loads(path.read_text())
    assert plan["notes"]["precision"] == "fp16"
    said = capsys.readouterr().out
    assert "scheme InH, fp16, " in said
    assert f", {2 * sent(plan)} bytes exchanged" in said
    assert run_command(["show", str(path), "-o", str(page)]) == 0
    assert "<b>fp16</b><span>precision</span>" in page.read_text()
    # a finished plan has a precision
    assert run_command(["build", *model, "--plan", str(path), "-o", str(built)]) == 0
    artifact = load_artifact(built)
    assert artifact.precision == "fp16"
    assert artifact.bytes_exchanged == 2 * sent(plan) > 0
    assert [p.dtype for p in (*artifact.inputs, *artifact.outputs)] == ["float32"] * 2
    other = ["build", *model, "--plan", str(path), "--precision", "fp32", "-o", str(built)]
    assert run_command(other) == 2
    assert "the plan is for fp16, and the model computes in fp32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", A72, *HALF], "flexpie: cortex-a72 has no fp16 arithmetic: choose fp32"),
        (["--target", "llvm -mcpu=x86-64-v3", *HALF], "flexpie: x86-64-v3 has no fp16 arithmetic"),
        (["--precision", "fp8"], "'fp8' is not one of 'fp32', 'fp16'"),
    ],
)
def test_what_cannot_be_is_one_line(options, message, small_onnx, tmp_path, capsys):
    arguments = ["plan", str(small_onnx), *SHAPE, *options, "-o", str(tmp_path / "plan.json")]
    assert run_command(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "plan.json").exists()


def test_answers_of_fp16_have_limits_of_their_own():
    rng = np.random.default_rng(9)
    answer = rng.normal(size=(4, 5)).astype("float32")
    names = ("TVM", "flexpie", "onnxruntime")
    limits = {name: tolerance_of(name, "fp16") for name in names}
    assert {tolerance_of(name, "fp32") for name in names} == {1e-4}
    assert limits["flexpie"] < limits["TVM"] == limits["onnxruntime"]

    def verdict(share: float):
        found = {}
        for name, limit in limits.items():
            other = answer.copy()
            other[0, 0] += share * limit * np.ptp(answer)
            found[name] = OneBoard([1.0], [other], limit, tolerance=limit)
        return judge([answer], [1.0], found)

    verdict(0.9).check()
    assert (
        verdict(0.9)
        .lines()[2]
        .endswith("(limits of fp16: TVM 1e-02, flexpie 2e-03, onnxruntime 1e-02)")
    )
    with pytest.raises(VerifyError, match=r"TVM by .* flexpie by .* onnxruntime by "):
        verdict(1.2).check()
