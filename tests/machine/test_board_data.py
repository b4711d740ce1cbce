# SPDX-License-Identifier: Apache-2.0
"""Published times and the counts of the same networks."""

from __future__ import annotations

from flexpie_tvm.machine import known_boards
from flexpie_tvm.machine.board_data import NARROW, counted_networks, counts_for, published_times

NETWORKS = {
    "squeezenet", "mobilenet", "mobilenet_v2", "googlenet", "alexnet", "resnet18", "resnet50",
    "vgg16",
}  # fmt: skip


def test_every_board_has_published_times_of_one_thread_and_of_all():
    times = published_times()
    for board in known_boards().values():
        threads = {one.threads for one in times if one.kind == board.key}
        assert threads == {1, board.threads}
    assert {one.network for one in times} == NETWORKS
    (pi4,) = [t for t in times if (t.kind, t.threads, t.network) == ("pi4", 1, "resnet50")]
    assert pi4.milliseconds == 533.15
    assert pi4.precision == "fp32"
    assert {one.precision for one in times if one.kind == "pi5"} == {"fp16"}


def test_networks_are_counted_for_both_arithmetics():
    assert set(counted_networks("cortex-a72")) == NETWORKS
    assert set(counted_networks("cortex-a76")) == NETWORKS
    for one in published_times():
        cpu = "cortex-a76" if one.cluster.mcpu in NARROW else "cortex-a72"
        assert counts_for(one) is counted_networks(cpu)[one.network]


def test_arithmetic_in_fp16_takes_fewer_cycles():
    wide, narrow = counted_networks("cortex-a72"), counted_networks("cortex-a76")
    for network in ("squeezenet", "mobilenet", "resnet50"):
        model = "neoverse-n1"
        assert 0.35 < narrow[network].cycles[model] / wide[network].cycles[model] < 0.8
        assert narrow[network].layers == wide[network].layers
