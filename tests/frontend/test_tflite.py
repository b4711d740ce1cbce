# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite models against LiteRT, whole and over boards."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.frontend.imported_model import import_model
from flexpie_tvm.runtime import relative_error, run_whole
from flexpie_tvm.runtime.reference import reference

from .tflite_files import mobile_tflite


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mobile_tflite(tmp_path_factory.mktemp("tflite") / "mobile.tflite")


def test_answers_are_those_of_litert(model, target):
    image = np.random.default_rng(92).normal(size=(1, 35, 33, 3)).astype("float32")
    expected = reference(model, {"image": image})
    assert expected.engine == "LiteRT"
    answers = run_whole(load_model(model), target, {"image": image})
    assert len(answers) == len(expected.answers) == 2
    for got, wanted in zip(answers, expected.answers, strict=True):
        assert got.shape == wanted.shape
        assert relative_error(got, wanted) < 1e-5


def test_layouts_change_at_the_ends_only(model):
    """Between convolutions nothing is turned around, only the image and the two answers are."""
    text = str(load_model(model))
    assert text.count("nn.conv2d(") == 6
    assert 'data_layout="NHWC"' not in text
    assert text.count("layout_transform(") <= 3


def test_a_file_tells_its_inputs_and_outputs(model):
    (image,) = model_inputs(model)
    assert (image.name, image.shape, image.dtype) == ("image", (1, 35, 33, 3), "float32")
    outputs = import_model(model).outputs
    assert [name.rstrip("0123456789") for name in outputs] == ["softmax", "max_pool_2d"]
    with pytest.raises(ModelError, match="does not fit"):
        load_model(model, {"image": (1, 36, 33, 3)})
    with pytest.raises(ModelError, match=r"the inputs of .* are image"):
        load_model(model, {"picture": (1, 35, 33, 3)})


@pytest.mark.parametrize("scheme", ["InH", "OutC"])
def test_boards_give_the_answers_too_and_are_held_against_litert(model, scheme, tmp_path, capsys):
    metrics, path = tmp_path / "metrics.json", tmp_path / "cut.flexpie"
    options = ["--boards", "3", "--scheme", scheme, "-o", str(path)]
    assert run_command(["build", str(model), *options]) == 0
    command = ["run", str(path), "--local", "--repeat", "1", "--verify", "--json", str(metrics)]
    assert run_command(command) == 0, capsys.readouterr().err
    read = json.loads(metrics.read_text())
    assert read["boards"] == 3
    assert 0 < read["rel_err"]["onnxruntime"] < 1e-5
    shown = capsys.readouterr().out
    assert "onnxruntime: it does not read TensorFlow Lite" in shown
    assert "answers of LiteRT on this machine stand in for onnxruntime's" in shown


def test_without_its_package_one_sentence_says_what_to_install(model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tflite", None)
    assert run_command(["plan", str(model), "-o", str(model.with_suffix(".json"))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'flexpie-tvm[tflite]'" in line


def test_damaged_files_are_refused(model, tmp_path):
    data, rng = model.read_bytes(), np.random.default_rng(93)
    for cut in (8, 100, len(data) // 2):
        path = tmp_path / "damaged.tflite"
        path.write_bytes(data[:cut])
        with pytest.raises(ModelError):
            load_model(path)
    path.write_bytes(data[:64] + bytes(rng.integers(0, 256, len(data) - 64, "uint8")))
    with pytest.raises(ModelError):
        load_model(path)
