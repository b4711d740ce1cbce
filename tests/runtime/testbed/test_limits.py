# SPDX-License-Identifier: Apache-2.0
"""Shares of cores, and what is written into control groups of both versions."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.errors import ClusterError
from flexpie_tvm.lab.testbed.cgroups import Limits, find_hierarchies, make_group
from flexpie_tvm.lab.testbed.cpus import CpuShare, alone, share_cpus
from flexpie_tvm.lab.testbed.ticks import tick_command, ticked_cores

SPEEDS = st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=8)


@given(SPEEDS, st.integers(1, 4))
def test_no_core_gives_more_than_it_has(speeds, cores):
    shares = share_cpus(len(speeds), range(cores), speeds=speeds)
    assert sum(share.quota for share in shares) <= cores + 1e-6
    for core in range(cores):
        assert sum(share.quota for share in shares if share.core == core) <= 1 + 1e-6
    assert len({share.core is None for share in shares}) == 1  # all are pinned, or none


@given(SPEEDS)
def test_shares_are_as_the_speeds(speeds):
    shares = share_cpus(len(speeds), range(2), speeds=speeds)
    for share, speed in zip(shares, speeds, strict=True):
        assert share.quota * max(speeds) == pytest.approx(speed * max(s.quota for s in shares))
    assert max(share.quota for share in shares) <= 1


def test_two_boards_on_two_cores_have_one_each():
    assert [(s.quota, s.core) for s in share_cpus(2, [4, 7])] == [(1.0, 4), (1.0, 7)]


def test_four_boards_on_two_cores_have_half_a_core_each():
    shares = share_cpus(4, [0, 1])
    assert [share.quota for share in shares] == [0.5] * 4
    assert sorted(share.core for share in shares) == [0, 0, 1, 1]


def test_more_than_there_is():
    with pytest.raises(ClusterError, match=r"need 4 cores, 2 are here: give --cpu 0.50 or less"):
        share_cpus(4, [0, 1], cpu=1.0)


def tree(folder: Path, version: int) -> str:
    """Folders like those of the kernel, and what /proc/self/mounts says of them."""
    if version == 2:
        (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        return f"cgroup2 {folder} cgroup2 rw,nosuid 0 0\n"
    lines = ""
    for names in ("cpu,cpuacct", "cpuset", "memory"):
        (folder / names).mkdir()
        lines += f"cgroup {folder / names} cgroup rw,nosuid,{names} 0 0\n"
    (folder / "cpuset/cpuset.mems").write_text("0\n")
    (folder / "cpuset/cpuset.cpus").write_text("0-1\n")
    return lines


LIMITS = Limits(quota=0.25, cores="1", memory=1 << 29)


def test_version_2_is_one_group_with_all_limits(tmp_path):
    files = make_group(find_hierarchies(tree(tmp_path, 2)), "bed", "board0", LIMITS)
    group = tmp_path / "bed/board0"
    assert files == [group / "cgroup.procs"]
    assert (group / "cpu.max").read_text() == "1250 5000"
    assert (group / "cpuset.cpus").read_text() == "1"
    assert (group / "memory.max").read_text() == str(1 << 29)


@given(st.floats(0.001, 0.999))
def test_a_quota_is_never_below_what_the_kernel_takes(share):
    with TemporaryDirectory() as folder:
        limits = Limits(share, "0", 0)
        make_group(find_hierarchies(tree(Path(folder), 2)), "bed", "board0", limits)
        quota, period = map(int, Path(folder, "bed/board0/cpu.max").read_text().split())
    assert quota >= 1000
    assert 5000 <= period <= 1_000_000
    assert quota / period == pytest.approx(share, rel=1e-3)


def test_version_1_is_a_group_for_each_controller(tmp_path):
    files = make_group(find_hierarchies(tree(tmp_path, 1)), "bed", "board0", LIMITS)
    cpu, cpuset, memory = (tmp_path / n / "bed/board0" for n in ("cpu,cpuacct", "cpuset", "memory"))
    assert files == [cpu / "cgroup.procs", cpuset / "cgroup.procs", memory / "cgroup.procs"]
    assert (cpu / "cpu.cfs_period_us").read_text() == "5000"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "1250"
    assert (cpuset / "cpuset.mems").read_text() == "0"
    assert (cpuset / "cpuset.cpus").read_text() == "1"
    assert (memory / "memory.limit_in_bytes").read_text() == str(1 << 29)


def test_controllers_of_both_versions_side_by_side(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    mounts = tree(tmp_path / "old", 1).splitlines()[0] + "\n" + tree(tmp_path / "new", 2)
    found = find_hierarchies(mounts)
    assert {name: h.version for name, h in found.items()} == {"cpu": 1, "cpuset": 2, "memory": 2}


def test_a_controller_that_is_missing_is_named(tmp_path):
    with pytest.raises(ClusterError, match="no control group controller 'cpu'"):
        make_group({}, "bed", "board0", LIMITS)


def test_boards_are_alone_where_no_other_has_their_core():
    pair = [CpuShare(1.0, 0), CpuShare(0.3, 1)]
    three = [CpuShare(0.5, 1), CpuShare(0.5, 1), CpuShare(0.8, 0)]
    assert [alone(rank, pair) for rank in range(2)] == [True, True]
    assert [alone(rank, three) for rank in range(3)] == [False, False, True]
    assert not alone(0, [CpuShare(0.7, None)])


def test_boards_are_stopped_in_time_where_they_have_less_than_a_core():
    assert ticked_cores([CpuShare(1.0, 0), CpuShare(1.0, 1)], [0, 1]) == []
    assert ticked_cores([CpuShare(1.0, 0), CpuShare(0.5, 1)], [0, 1]) == [1]
    assert ticked_cores([CpuShare(0.5, 3), CpuShare(0.2, 3)], [1, 3]) == [3]
    assert ticked_cores([CpuShare(0.7, None)], [4, 2]) == [2, 4]


def test_what_ticks_is_on_its_core():
    core = max(os.sched_getaffinity(0))
    process = subprocess.Popen(tick_command(core))
    try:
        until = time.monotonic() + 60
        while os.sched_getaffinity(process.pid) != {core} and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.01)
        assert os.sched_getaffinity(process.pid) == {core}
    finally:
        process.kill()
        process.wait()
