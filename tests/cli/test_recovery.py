# SPDX-License-Identifier: Apache-2.0
"""``flexpie build --fallbacks`` and ``flexpie run --on-board-lost replan``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.runtime import load_artifact, relative_error
from flexpie_tvm.testing.faults import Fault, board_services, strike_server

SHAPE = ["--shape", "image=1x3x16x16"]
FLEXPIE = str(Path(sys.executable).with_name("flexpie"))


def test_a_run_goes_on_when_a_board_is_lost(small_onnx, boards, tmp_path):
    path, image, answers = tmp_path / "a.flexpie", tmp_path / "in.npz", tmp_path / "out.npz"
    inputs = {"image": np.random.default_rng(5).normal(size=(1, 3, 16, 16)).astype("float32")}
    np.savez(image, **inputs)
    (expected,) = onnxruntime.InferenceSession(small_onnx).run(None, inputs)
    made = ["build", str(small_onnx), *SHAPE, "--boards", "2", "--fallbacks", "1", "-o", str(path)]
    assert run_command(made) == 0
    assert [folder.name for folder in load_artifact(path).fallbacks] == ["0"]
    key, where = f"replan-{os.getpid()}", f"{boards.host}:{boards.port}"
    with board_services(boards, key, 2, 22200) as services:
        run = subprocess.Popen(
            [FLEXPIE, "run", str(path), "--tracker", where, "--key", key, "--input", str(image),
             "--output", str(answers), "--repeat", "20000", "--json", str(tmp_path / "m.json"),
             "--on-board-lost", "replan", "--deadline", "2"],
            stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        fault, done = Fault("kill session", "run", 0, 0, 0), threading.Event()

        def strike_until_it_is_noticed() -> None:
            server = _child(services[0])
            while not done.wait(0.5):
                strike_server(fault, server)

        striking = threading.Thread(target=strike_until_it_is_noticed)
        striking.start()
        first = run.stderr.readline()
        done.set()
        striking.join()
        _, rest = run.communicate()
    assert run.returncode == 0, first + rest
    assert "board 0" in first or f"{boards.host}:22200" in first
    assert "deployed on 1 of 2 boards" in rest
    assert relative_error(np.load(answers)["answer"], expected) < 1e-5
    assert len(json.loads((tmp_path / "m.json").read_text())["per_board"]) in (1, 2)


def test_no_board_would_be_left(small_onnx, tmp_path, capsys):
    made = ["build", str(small_onnx), *SHAPE, "--boards", "2", "--fallbacks", "2"]
    assert run_command([*made, "-o", str(tmp_path / "a.flexpie")]) == 2
    assert "2 fallbacks for 2 boards: one must be left" in capsys.readouterr().err
    assert not (tmp_path / "a.flexpie").exists()


def _child(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
