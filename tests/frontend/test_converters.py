# SPDX-License-Identifier: Apache-2.0
"""Random nodes of every kind and opset answer as onnxruntime does.

``benchmarks/onnx_random.py`` draws more of them.
"""

from __future__ import annotations

import pytest

from flexpie_tvm.testing.random_onnx import KINDS, check_nodes, random_node

#: Old forms of operators, those in between, and today's.
OPSETS = (8, 13, 19)
#: Kinds that came later.
LATE = {"attention": (23,), "quantized blocks": (21, 23), "volumes": (20, 22)}
EACH = 3


@pytest.mark.parametrize("kind", KINDS)
def test_random_nodes_answer_as_onnxruntime(kind):
    outcomes = []
    for opset in LATE.get(kind, OPSETS):
        seeds = range(1000 * opset, 1000 * opset + EACH)
        outcomes += check_nodes([random_node(kind, opset, seed) for seed in seeds])
    found = {what: [o for o in outcomes if o.what == what] for what in ("right", "wrong")}
    assert not found["wrong"], [f"{o.draw}: {o.why}" for o in found["wrong"]]
    others = [o for o in outcomes if o.what not in ("right", "invalid")]
    assert not others, [f"{o.what} {o.draw}: {o.why}" for o in others]
    assert len(found["right"]) >= len(outcomes) // 3
