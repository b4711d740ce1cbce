# SPDX-License-Identifier: Apache-2.0
"""Random small networks answer as onnxruntime does.

``benchmarks/onnx_random.py --graphs 500`` draws more of them.
"""

from __future__ import annotations

import pytest

from flexpie_tvm.relay.targets import host_target
from flexpie_tvm.testing.random_onnx import check_graph, random_graph

OPSETS = (7, 9, 11, 13, 16, 18, 21, 23)


@pytest.mark.parametrize("opset", OPSETS)
def test_random_graphs_answer_as_onnxruntime(opset):
    graph = random_graph(opset, 5000 + opset)
    outcome = check_graph(graph)
    assert outcome.what == "right", f"{outcome.why}: {graph}"


def test_random_graphs_answer_as_onnxruntime_once_they_are_optimized_for_a_board():
    graph = random_graph(17, 4)
    assert check_graph(graph, host_target()).what == "right"


def test_graphs_are_small_networks_of_many_operators():
    graphs = [random_graph(OPSETS[seed % len(OPSETS)], seed) for seed in range(40)]
    assert all(5 <= len(graph.draws) <= 12 for graph in graphs)
    assert len({draw.operator for graph in graphs for draw in graph.draws}) > 40
    assert any(len(graph.model.graph.output) > 2 for graph in graphs)
    again = random_graph(OPSETS[3], 3)
    assert again.model.SerializeToString() == graphs[3].model.SerializeToString()
