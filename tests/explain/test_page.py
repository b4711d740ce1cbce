# SPDX-License-Identifier: Apache-2.0
"""The page that explains a plan."""

import json
from html.parser import HTMLParser

import pytest

from flexpie_tvm.cost import Analytic
from flexpie_tvm.errors import PlanError
from flexpie_tvm.explain import comparison_text, plan_page, show_plan, with_report
from flexpie_tvm.graph import Graph, Op, Tensor, fuse_layers
from flexpie_tvm.plan import ClusterSpec, Compared, compare, load_plan, plan_to_json, save_plan

VOID = {"meta", "input"}


class Tags(HTMLParser):
    """Checks that tags are balanced, and collects tags and text."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def relu_graph(name="relu<1>"):
    shape = (1, 8, 16, 16)
    tensors = tuple(
        Tensor(k, n, shape, "float32", kind)
        for k, (n, kind) in enumerate((("input", "input"), (name, "op"), ("last", "op")))
    )
    ops = tuple(
        Op(k, tensors[k + 1].name, "nn.max_pool2d", POOL, (k,), (k + 1,), (shape,), (shape,))
        for k in range(2)
    )
    return fuse_layers(Graph.make(tensors, ops, (0,), (2,)), lambda op: False)


POOL = {
    "pool_size": (3, 3), "strides": (1, 1), "dilation": (1, 1), "padding": (1, 1, 1, 1),
    "layout": "NCHW", "ceil_mode": False,
}


@pytest.fixture
def planned():
    graph, cost = relu_graph(), Analytic(gflops=1e-3)
    rows = compare(graph, ClusterSpec(4, 1e8), cost)
    return graph, with_report(graph, rows[-1].plan, cost, rows)


def parse(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_page_is_whole_and_needs_no_network(planned):
    graph, plan = planned
    tags = parse(plan_page(plan_to_json(plan, graph), "demo"))
    assert tags.links == []
    assert tags.seen.count("svg") == 2
    assert tags.seen.count("circle") == len(graph.layers)


def test_page_shows_every_layer_board_and_way(planned):
    graph, plan = planned
    text = parse(plan_page(plan_to_json(plan, graph), "demo")).text
    for word in ("relu<1>", "last", "board 3", "OutC", "InH/InW", "2D-grid", "fused", "auto"):
        assert word in text
    assert f"{plan.notes['predicted_ms']:.3f} ms" in text


def test_report_survives_the_file(planned, tmp_path):
    graph, plan = planned
    save_plan(plan, graph, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json").notes["report"] == plan.notes["report"]
    show_plan(tmp_path / "plan.json", tmp_path / "plan.html")
    assert "relu&lt;1&gt;" in (tmp_path / "plan.html").read_text()


def test_report_adds_up(planned):
    _, plan = planned
    report = plan.notes["report"]
    total = sum(
        max(x["ms"]) + sum(e["ms"] for e in x["exchanges"].values()) for x in report["layers"]
    )
    total += report["scatter_ms"] + report["gather_ms"]
    assert total == pytest.approx(report["latency_ms"], rel=1e-4)
    assert report["simulated_ms"] <= report["latency_ms"] * (1 + 1e-9)
    assert max(e[4] for e in report["timeline"]) == pytest.approx(report["simulated_ms"])


def test_a_plan_without_figures_is_shown_too(planned):
    graph, plan = planned
    data = plan_to_json(plan, graph)
    data["notes"] = {}
    assert "no predicted figures" in parse(plan_page(data)).text


@pytest.mark.parametrize("text", ["{", "{}", '{"version": 99}'])
def test_a_damaged_plan_is_named(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError, match="plan"):
        show_plan(tmp_path / "plan.json", tmp_path / "out.html")
    with pytest.raises(PlanError, match="cannot be read"):
        show_plan(tmp_path / "none.json", tmp_path / "out.html")


def test_a_plan_without_what_the_page_shows_is_damaged(planned, tmp_path):
    graph, plan = planned
    data = plan_to_json(plan, graph)
    del data["layers"][0]["computed"]
    (tmp_path / "plan.json").write_text(json.dumps(data))
    with pytest.raises(PlanError, match="damaged"):
        show_plan(tmp_path / "plan.json", tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


def test_comparison_as_text():
    rows = [Compared("OutC", None, float("inf"), 0.0), Compared("auto", None, 2.0, 1.0)]
    text = comparison_text(rows)
    assert text.splitlines()[1:] == ["OutC  does not fit  0.000", "auto         2.000  1.000"]
