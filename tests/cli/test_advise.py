# SPDX-License-Identifier: Apache-2.0
"""``flexpie advise``: how many of which boards, before there are any."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

from flexpie_tvm.cli.main import run_command

SHAPE = ["--shape", "image=1x3x16x16"]


class Page(HTMLParser):
    """Counts elements, and sees that all of them end and nothing is loaded."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert not {"src", "href"} & {name for name, _ in attrs}
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_advice_is_a_table_a_file_and_a_page(small_onnx, tmp_path, capsys):
    model = tmp_path / "mobilenet.onnx"  # the name of a network with published times
    shutil.copy(small_onnx, model)
    figures, page = tmp_path / "advice.json", tmp_path / "advice.html"
    arguments = ["--board", "pi4", "--board", "pi3b+", "--boards", "3", "--bandwidth", "100Mbps"]
    command = ["advise", str(model), *SHAPE, *arguments, "--bandwidth", "1Gbps"]
    assert run_command([*command, "--json", str(figures), "-o", str(page)]) == 0
    said = capsys.readouterr().out
    assert "pi4, modelled, not measured" in said
    assert "published for one pi4, by ncnn in fp32 with 4 threads: 60.74 ms" in said

    data = json.loads(figures.read_text())
    places = [(p["board"], p["gbps"], p["boards"]) for p in data["points"]]
    assert places == [
        (board, gbps, number)
        for board, links in (("pi4", (0.1, 1.0)), ("pi3b+", (0.1, 0.3)))
        for gbps in links
        for number in (1, 2, 3)
    ]
    assert all(point["latency_ms"] > 0 for point in data["points"])
    assert len(data["enough"]) == 4
    assert {(p["board"], p["threads"]) for p in data["published"]} == {
        (board, threads) for board in ("pi4", "pi3b+") for threads in (1, 4)
    }
    for point in data["points"]:
        assert f"{point['latency_ms']:.1f}" in said

    text = page.read_text()
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.seen["svg"] == 4  # milliseconds, and frames a second, of each kind of board
    assert parsed.seen["circle"] == 2 * len(places)
    assert "ncnn, one board, 4 cores (published)" in text
    assert "Raspberry Pi 4 Model B" in text
    assert "60.7 ms (published)" in text
    assert "modelled, not measured" in text


def test_boards_that_are_not_known_are_one_sentence(small_onnx, capsys):
    assert run_command(["advise", str(small_onnx), *SHAPE, "--board", "pi9"]) == 2
    assert "board 'pi9' is not known" in capsys.readouterr().err
