# SPDX-License-Identifier: Apache-2.0
"""Programs that ``torch.export.save`` wrote answer as PyTorch does, or say what they need."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from flexpie_tvm.errors import ModelError, ToolError
from flexpie_tvm.frontend.exported_program import is_exported
from flexpie_tvm.frontend.formats import load_model, model_inputs
from flexpie_tvm.frontend.imported_model import import_model
from flexpie_tvm.testing.tiles import run_module

MAKE = """
import sys, numpy, torch
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.GELU(), torch.nn.Conv2d(8, 8, 3, stride=2),
    torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5), torch.nn.Softmax(-1),
).eval()
x = torch.randn(1, 3, 17, 16)
torch.export.save(torch.export.export(network, (x,)), sys.argv[1])
numpy.savez(sys.argv[2], x=x.numpy(), y=network(x).detach().numpy())
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A program with its input and PyTorch's answer, made where TVM is not loaded."""
    for package in ("torch", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: there is no program to load")
    folder = tmp_path_factory.mktemp("torch")
    path, arrays = folder / "network.pt2", folder / "arrays.npz"
    subprocess.run([sys.executable, "-c", MAKE, path, arrays], check=True)
    known = np.load(arrays)
    return path, known["x"], known["y"]


def test_a_program_answers_as_pytorch_does(program):
    path, x, expected = program
    (given,) = model_inputs(path)
    assert (given.shape, given.dtype) == (x.shape, "float32")
    imported = import_model(path)
    assert len(imported.outputs) == 1
    (found,) = run_module(imported.module, {given.name: x})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def archive(path, *names: str):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "nothing")
    return path


@pytest.mark.parametrize("mark", ["m/archive_format", "serialized_exported_program.json"])
def test_without_pytorch_one_sentence_says_what_to_install(mark, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = archive(tmp_path / "m.pt2", mark)
    assert is_exported(path)
    with pytest.raises(ToolError, match=r"pip install 'flexpie-tvm\[torch\]'"):
        load_model(path)


def test_a_damaged_program_is_one_sentence(program, tmp_path):
    with pytest.raises(ModelError, match="PyTorch cannot export"):
        load_model(archive(tmp_path / "m.pt2", "m/archive_format"))


def test_what_torch_save_wrote_is_no_program(tmp_path):
    path = archive(tmp_path / "weights.pt", "weights/data.pkl", "weights/version")
    assert not is_exported(path)
    with pytest.raises(ModelError, match=r"torch\.export"):
        load_model(path)
