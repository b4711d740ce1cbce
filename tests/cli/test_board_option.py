# SPDX-License-Identifier: Apache-2.0
"""``--board``: clusters of boards that are sold."""

from __future__ import annotations

import json

import pytest

from flexpie_tvm.cli.main import run_command

SHAPE = ["--shape", "image=1x3x16x16"]


def test_a_board_sets_target_links_and_costs(small_onnx, tmp_path, capsys):
    path = tmp_path / "plan.json"
    arguments = ["plan", str(small_onnx), *SHAPE, "--board", "pi4:2,pi3b+", "-o", str(path)]
    assert run_command(arguments) == 0
    said = capsys.readouterr().out
    assert "cost model: pi4, pi3b+, modelled, not measured" in said
    plan = json.loads(path.read_text())
    assert plan["cluster"]["kinds"] == ["pi4", "pi4", "pi3b+"]
    assert plan["cluster"]["bandwidths"] == [1e9, 1e9, 0.3e9]
    assert ["cortex-a72" in t for t in plan["cluster"]["targets"]] == [True, True, False]
    assert plan["notes"]["cost_model"] == "pi4, pi3b+, modelled, not measured"


def test_a_slower_network_is_asked_for_with_bandwidth(small_onnx, tmp_path):
    path = tmp_path / "plan.json"
    arguments = ["--board", "pi4", "--boards", "2", "--bandwidth", "100Mbps"]
    assert run_command(["plan", str(small_onnx), *SHAPE, *arguments, "-o", str(path)]) == 0
    cluster = json.loads(path.read_text())["cluster"]
    assert (cluster["boards"], cluster["bandwidth"]) == (2, 1e8)


def test_hot_boards_are_as_slow_as_they_are_said_to_be(small_onnx, tmp_path):
    """Half the speed: everything but transfers and calls takes twice as long."""

    def planned(*more):
        path = tmp_path / "plan.json"
        command = ["plan", str(small_onnx), *SHAPE, "--board", "pi4:1", "-o", str(path), *more]
        assert run_command(command) == 0
        plan = json.loads(path.read_text())
        return plan["cluster"], plan["notes"]["predicted_ms"]

    cool, ms = planned()
    hot, longer = planned("--throttle", "0.5")
    assert not cool.get("speeds")
    assert hot["speeds"] == [0.5]
    assert ms < longer < 2 * ms
    hotter, longest = planned("--throttle", "0.25")
    assert longest - longer == pytest.approx(2 * (longer - ms), rel=1e-6)
    assert hotter["speeds"] == [0.25]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board", "pi9"], "board 'pi9' is not known: choose one of pi3b+, pi4"),
        (["--board", "pi4", "--target", "llvm"], "leave out --target"),
        (["--board", "pi4", "--cluster", "x.toml"], "leave out --cluster"),
        (["--board", "pi4:3", "--boards", "2"], "--board names 3 boards, not 2"),
    ],
)
def test_what_contradicts_a_board_is_one_sentence(small_onnx, tmp_path, capsys, arguments, said):
    plan = ["plan", str(small_onnx), *SHAPE, "-o", str(tmp_path / "plan.json")]
    assert run_command([*plan, *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_local_boards_are_none_that_are_sold(small_onnx, capsys):
    for command in (["run", str(small_onnx)], ["profile", "-o", "traces"]):
        assert run_command([*command, "--local", "--board", "pi4"]) == 2
        assert "leave out --board" in capsys.readouterr().err


def test_known_boards_are_listed_with_the_sources_of_their_figures(tmp_path, capsys):
    path = tmp_path / "boards.json"
    assert run_command(["boards", "--known", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert "4 x cortex-a76" in said
    assert "Raspberry Pi 4" in said
    listed = {board["key"]: board for board in json.loads(path.read_text())}
    assert listed["pi4"]["clusters"][0]["mcpu"] == "cortex-a72"
    assert all(board["sources"] for board in listed.values())
    assert run_command(["boards"]) == 2
