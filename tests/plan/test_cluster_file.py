# SPDX-License-Identifier: Apache-2.0
"""Reading cluster.toml."""

import pytest

from flexpie_tvm.errors import PlanError
from flexpie_tvm.plan import ClusterSpec, load_cluster

FULL = """
topology = "ring"
bandwidth = "500Mbps"
latency = "200us"
host_bandwidth = "1Gbps"
[[board]]
speed = 2
memory = "1GiB"
kind = "rpi5"
target = "llvm -mcpu=cortex-a76"
[[board]]
memory = "512MB"
target = "llvm"
bandwidth = "100Mbps"
latency = 0.002
"""


def test_all_entries(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text(FULL)
    cluster = load_cluster(path)
    assert cluster == ClusterSpec(
        2, 5e8, 2e-4, "ring", speeds=(2.0, 1.0), memory=(2**30, 512 * 10**6),
        bandwidths=(5e8, 1e8), latencies=(2e-4, 0.002), kinds=("rpi5", ""), host_bandwidth=1e9,
        targets=("llvm -mcpu=cortex-a76", "llvm"),
    )
    assert ClusterSpec.from_json(cluster.to_json()) == cluster


def test_equal_boards(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text("boards = 4\n")
    assert load_cluster(path) == ClusterSpec(4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("boards = ", "not TOML"),
        ("boards = 2\ncolour = 1", "colour"),
        ("boards = 3\n[[board]]\nspeed = 1", "3"),
        ("boards = 0", "0 boards"),
        ("boards = 'two'", "two"),
        ("boards = 2\ntopology = 'star'", "star"),
        ("boards = 2\nbandwidth = 'fast'", "fast"),
        ("boards = 2\nlatency = '3 weeks'", "3 weeks"),
        ("[[board]]\nmemory = '1GB'\n[[board]]", "all boards or of none"),
        ("[[board]]\ntarget = 'llvm'\n[[board]]", "target of all boards or of none"),
        ("[[board]]\nmemory = 'much'", "much"),
        ("[[board]]\nspeed = true", "True"),
        ("[[board]]\nspeed = -1", "speeds"),
        ("[[board]]\nkolor = 1", "kolor"),
        ("board = 3", "table per board"),
    ],
)
def test_mistakes_are_named(tmp_path, text, why):
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=why):
        load_cluster(path)


def test_missing_file(tmp_path):
    with pytest.raises(PlanError, match="cannot be read"):
        load_cluster(tmp_path / "none.toml")
