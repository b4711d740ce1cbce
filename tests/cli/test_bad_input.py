# SPDX-License-Identifier: Apache-2.0
"""Bad input is told in one line, whatever command it is given to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flexpie_tvm.cli.main import run_command

from .calls import SHAPE


def _bad(small: str, artifact: str, folder: Path) -> list[tuple[list[str], str]]:
    wrong = folder / "wrong.npz"
    np.savez(wrong, image=np.zeros((1, 3, 8, 8), "float32"))
    other = folder / "other.npz"
    np.savez(other, picture=np.zeros((1, 3, 16, 16), "float32"))
    np.save(folder / "array.npy", np.zeros(3))
    (folder / "array.npy").rename(folder / "array.npz")
    np.savez_compressed(folder / "broken.npz", image=np.zeros((1, 3, 16, 16), "float32"))
    whole = (folder / "broken.npz").read_bytes()
    (folder / "broken.npz").write_bytes(whole[:60] + b"\xff" * 8 + whole[68:])
    (folder / "notes.txt").write_text("no model")
    (folder / "empty.onnx").write_bytes(b"")
    local = ["--local", "--boards", "2"]
    return [
        (["run", str(folder / "missing.onnx"), *local], "does not exist"),
        (["run", str(folder / "notes.txt"), *local], "not a readable ONNX file"),
        (["run", str(folder / "empty.onnx"), *local], "not an ONNX file"),
        (["run", small, *local], "give --shape image=?x3x16x16"),
        (["run", small, *local, "--shape", "picture=1x3x16x16"], "the inputs of"),
        (["run", small, *local, "--shape", "image=1x4x16x16"], "does not fit"),
        (["run", small, *local, "--shape", "image=1,3,16,16"], "is not NAME="),
        (["run", small, *SHAPE, "--local", "--boards", "0"], "give 1 or more"),
        (["run", small, *SHAPE, "--local", "--boards", "1000000"], "give at most 64"),
        (["run", small, *SHAPE, *local, "--scheme", "InD"], "unknown scheme 'InD'"),
        (["run", small, *SHAPE, *local, "--scheme", "2D-grid:3x3"], "9 cells for 2 boards"),
        (["run", small, *SHAPE, *local, "--bandwidth", "fast"], "bandwidth 'fast'"),
        (["run", small, *SHAPE, *local, "--target", "llvmm"], "target 'llvmm'"),
        (["run", small, *SHAPE, *local, "--target", "cuda"], "CPU targets"),
        (["run", small, *SHAPE, *local, "--target", "llvm -mtriple=riscv64-x-y"], "no compiler"),
        (["run", small, *SHAPE, *local, *["--target", "llvm"] * 3], "3 targets for 2 boards"),
        (["run", small, *SHAPE, *local, "--topology", "star"], "star"),
        (["run", small, *SHAPE, "--boards", "2"], "--local or --tracker"),
        (["run", small, *SHAPE, "--tracker", "127.0.0.1:1"], "--key"),
        (["run", small, *SHAPE, "--tracker", "127.0.0.1:1", "--key", "k"], "cannot be reached"),
        (["run", artifact, "--local", "--boards", "3"], "is for 2 boards, not 3"),
        (["run", artifact, "--local", "--topology", "ring", *SHAPE], "out --shape, --topology"),
        (["run", artifact, "--local", "--target", "llvm"], "leave out --target"),
        (["run", artifact, "--local", "--input", str(folder / "no.npz")], "does not exist"),
        (["run", artifact, "--local", "--input", str(folder / "notes.txt")], "neither"),
        (["run", artifact, "--local", "--input", str(wrong)], "the model takes float32"),
        (["run", artifact, "--local", "--input", str(other)], "'picture'"),
        (["run", artifact, "--local", "--input", str(folder / "array.npz")], "not a readable .npz"),
        (["run", artifact, "--local", "--input", str(folder / "broken.npz")], "not a readable"),
        (["run", artifact, "--local", "--output", str(folder / "no" / "y.npz")], "no folder"),
        (["run", artifact, "--local", "--json", str(folder / "no" / "m.json")], "no folder"),
        (["run", artifact, "--local", "--output", str(folder)], "is a directory"),
        (["run", artifact, "--local", "--timeline", str(folder / "t.pdf")], "none of .json, .png"),
        (["run", artifact, "--local", "--repeat", "0"], "--repeat"),
        (["run", artifact, "--local", "--deadline", "nan"], "--deadline"),
        (["run", str(folder), *local], "is a folder, but no artifact"),
        (["run", small, *local, "--shape", "image=²x3x16x16"], "is not NAME="),
        (["run", small, *SHAPE, "--tracker", "h:70000", "--key", "k"], "is not HOST:PORT"),
        (["build", small, *SHAPE, "-o", str(folder / "notes.txt" / "a.flexpie")], "notes.txt"),
        (["build", small, *SHAPE, "-o", str(folder / "notes.txt")], "is not an artifact"),
        (["plan", small, *SHAPE, "-o", str(folder / "no" / "plan.json")], "no folder"),
        (["show", str(folder / "plan.json"), "-o", str(folder / "no" / "p.html")], "no folder"),
        (["plan", small, *SHAPE, "--plan", str(folder / "no.json"), "-o", "x"], "cannot be read"),
        (["plan", small, *SHAPE, "--plan", str(folder / "notes.txt"), "-o", "x"], "is not JSON"),
        (["run"], "MODEL"),
        (["fly"], "fly"),
    ]


def test_bad_input_is_one_line_and_exit_code_2(small_onnx, artifact, tmp_path, capfd):
    for arguments, words in _bad(str(small_onnx), str(artifact), tmp_path):
        code = run_command(arguments)
        shown = capfd.readouterr()
        assert code == 2, arguments
        assert words in shown.err, (arguments, shown.err)
        assert len(shown.err.strip().splitlines()) == 1, shown.err
        assert "Traceback" not in shown.err
