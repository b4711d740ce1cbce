# SPDX-License-Identifier: Apache-2.0
"""What is known of a model before it is compiled: its kind, its inputs, where it is to end."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from flexpie_tvm.cli import run
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.runtime.reference import reference


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Two outputs, a branch that ends nowhere, an input of integers."""
    rng = np.random.default_rng(71)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["features"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["mean"]),
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Sigmoid", ["active"], ["unread"]),
    ]
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype("float32"), name)
        for name, shape in (("w", (8, 3, 3, 3)), ("table", (9, 4)))
    ]
    value = helper.make_tensor_value_info
    inputs = [
        value("image", TensorProto.FLOAT, ["n", 3, 12, 12]),
        value("ids", TensorProto.INT64, [5]),
    ]
    outputs = [
        value("mean", TensorProto.FLOAT, ["n", 8, 1, 1]),
        value("words", TensorProto.FLOAT, [5, 4]),
    ]
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.save(made, str(path))
    return path


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(72)
    image = rng.normal(size=(1, 3, 12, 12)).astype("float32")
    return {"image": image, "ids": rng.integers(0, 9, 5)}


SHAPE = ["--shape", "image=1x3x12x12"]
LOCAL = ["--local", "--boards", "2", "--scheme", "InH", "--repeat", "1"]


def test_a_model_ends_where_the_user_says(model, arrays, tmp_path):
    inputs, answers = tmp_path / "x.npz", tmp_path / "y.npz"
    np.savez(inputs, image=arrays["image"])  # ids are no input of what is left
    ends = ["--outputs", "active", "--outputs", "features"]
    files = ["--input", str(inputs), "--output", str(answers)]
    assert run_command(["run", str(model), *SHAPE, *LOCAL, *ends, *files, "--verify"]) == 0
    whole = onnx.load(str(model))
    del whole.graph.output[:]
    for name in ("active", "features"):
        whole.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    expected = reference(whole.SerializeToString(), arrays)
    assert expected.engine == "onnxruntime"
    with np.load(answers) as got:
        assert list(got) == ["active", "features"]
        for name, wanted in zip(got, expected.answers, strict=True):
            np.testing.assert_allclose(got[name], wanted, rtol=1e-4, atol=1e-4)


def test_an_artifact_ends_there_too(model, tmp_path):
    path = tmp_path / "cut.flexpie"
    ends = ["--boards", "2", "--scheme", "InH", "--outputs", "features", "-o", str(path)]
    assert run_command(["build", str(model), *SHAPE, *ends]) == 0
    assert [v.name for v in onnx.load(str(path / "model.onnx")).graph.output] == ["features"]
    assert run_command(["run", str(path), "--local", "--repeat", "1", "--verify"]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: {**a, "picture": a.pop("image")}, "has 'picture': the inputs are image, ids"),
        (lambda a: {"image": a["image"]}, "ids"),
        (lambda a: {**a, "image": a["image"][:, :, :8]}, "(1, 3, 12, 12)"),
        (lambda a: {**a, "ids": a["ids"].astype("float32")}, "int64"),
    ],
)
def test_inputs_are_checked_before_anything_is_compiled(
    model, arrays, change, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run, "make_ready", None)
    inputs = tmp_path / "x.npz"
    np.savez(inputs, **change(arrays))
    assert run_command(["run", str(model), *SHAPE, *LOCAL, "--input", str(inputs)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_an_end_that_is_not_there_is_told_with_its_like(model, capsys):
    for command in (["plan"], ["build"], ["run", *LOCAL]):
        where = [] if command[0] == "run" else ["-o", str(model.with_suffix(".out"))]
        code = run_command([command[0], str(model), *command[1:], *where, "--outputs", "feature"])
        (line,) = capsys.readouterr().err.splitlines()
        assert code == 2
        assert "no such tensor; near: features" in line


def foreign_files(folder: Path) -> list[tuple[Path, str]]:
    (folder / "b.pt").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    (folder / "c.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(40))
    (folder / "d.bin").write_bytes(b"PK\3\4" + bytes(40))
    for name, member in (("e.pt", "net/data.pkl"), ("f.zip", "net.onnx")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(member, b"data")
    return [
        (folder / "b.pt", "a Python pickle"),
        (folder / "c.h5", "a Keras model"),
        (folder / "d.bin", "a damaged zip archive"),
        (folder / "e.pt", "a PyTorch model: export it with torch.export or torch.onnx.export"),
        (folder / "f.zip", "a zip archive: give the ONNX file inside it"),
    ]


def test_models_of_other_formats_are_told_by_their_names(tmp_path, capsys):
    for path, said in foreign_files(tmp_path):
        assert run_command(["run", str(path), "--local"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"'{path}' is not an ONNX file but {said}" in line


def test_an_error_that_nobody_foresaw_is_one_line_and_its_traceback_is_for_debug(
    model, monkeypatch, capsys
):
    monkeypatch.setattr(run, "make_ready", lambda *_: {}["missing"])
    assert run_command(["run", str(model), *SHAPE, *LOCAL]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "internal error, KeyError: 'missing' (give --debug for its traceback)" in line
    assert run_command(["run", str(model), *SHAPE, *LOCAL, "--debug"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.splitlines()[-1] == line
