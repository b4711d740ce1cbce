# SPDX-License-Identifier: Apache-2.0
"""Small files that importers misread: right answers, or a refusal that says why.

They lie beside the project, or where ``FLEXPIE_ODD_ONNX`` says: ``NAME.onnx``, ``NAME.in.npz``
and, by onnxruntime, ``NAME.exp.npz``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from flexpie_tvm.errors import ModelError
from flexpie_tvm.frontend.onnx_model import load_onnx
from flexpie_tvm.runtime.compare import largest_error
from flexpie_tvm.testing.tiles import run_module

BESIDE = Path(__file__).parents[2].parent / "shared/data/onnx"
FOLDER = Path(os.environ.get("FLEXPIE_ODD_ONNX", BESIDE))
FILES = sorted(FOLDER.glob("*.onnx"))
REFUSED = {
    "nms": "number of results depends on data.*'t9_0', 't10_0'",
    "str": "input 'x' is of type string",
    "zero": "a tensor without elements",
}

pytestmark = pytest.mark.skipif(not FILES, reason="no odd ONNX files here: set FLEXPIE_ODD_ONNX")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_right_or_refused(path):
    if path.stem in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[path.stem]):
            load_onnx(path)
        return
    mod = load_onnx(path)
    given = path.with_suffix(".in.npz")
    if not given.exists():  # no answer is kept: it imports
        return
    answers = run_module(mod, dict(np.load(given)))
    expected = list(np.load(path.with_suffix(".exp.npz")).values())
    assert [a.dtype for a in answers] == [b.dtype for b in expected]
    assert largest_error(answers, expected) < 1e-5
