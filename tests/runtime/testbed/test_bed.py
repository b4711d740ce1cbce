# SPDX-License-Identifier: Apache-2.0
"""Testbeds in real namespaces: links, limits, servers, and that nothing is left of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tvm

import flexpie_tvm
from flexpie_tvm.cli.main import run_command
from flexpie_tvm.errors import BoardUntrusted, ClusterError, InputError
from flexpie_tvm.lab.testbed import TOPOLOGIES, TestbedOptions, load, records, testbed
from flexpie_tvm.lab.testbed import up as up_testbed
from flexpie_tvm.lab.testbed.commands import inside
from flexpie_tvm.lab.testbed.links import make_network, remove_network
from flexpie_tvm.lab.testbed.network import BoardNetwork
from flexpie_tvm.lab.testbed.servers import processes
from flexpie_tvm.lab.testbed.state import reserve
from flexpie_tvm.runtime import Cluster, list_boards, relative_error
from flexpie_tvm.runtime.link_key import make_key

from .conftest import needs_root, traces, wait_until_free

pytestmark = needs_root

MEMORY = 600_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """State of these tests' testbeds only."""
    return tmp_path_factory.mktemp("testbeds")


@pytest.fixture
def bed(up):
    """The testbed with all its boards free."""
    wait_until_free(up)
    return up


@pytest.fixture(scope="module")
def up(folder):
    """Two boards at 200 Mb/s, of unequal speed and with little memory."""
    options = TestbedOptions(2, 200e6, cpu=0.8, speeds=(1.0, 0.25), memory=MEMORY)
    with testbed(options, "bed", folder) as made:
        yield made


def test_boards_with_a_key_make_no_plain_link(folder, tmp_path, artifacts, small_inputs):
    key = make_key(tmp_path / "psk.key").path
    with testbed(TestbedOptions(2, secure=str(key)), "secret", folder) as bed:
        tracker = (bed.host, bed.port)
        with Cluster.connect(tracker, bed.key, 2) as plain, pytest.raises(BoardUntrusted):
            plain.deploy(artifacts(2, "InH"))
        with Cluster.connect(tracker, bed.key, 2, secure=key) as cluster:
            assert len(cluster.deploy(artifacts(2, "InH")).run(small_inputs)) == 1
    key.chmod(0o644)
    with pytest.raises(InputError, match="others may read or write"):
        up_testbed(TestbedOptions(2, secure=str(key)), "secret", folder)
    assert "secret" not in [record.name for record in records(folder)]


def test_links_have_the_rates_that_were_asked_for(bed):
    links = {f"{end} {way}" for end in ("host", "board0", "board1") for way in ("up", "down")}
    assert set(bed.rates) == links
    for link, rate in bed.rates.items():
        # Never more than asked for; less where other work keeps this machine from sending.
        assert 0.7 * 200e6 < rate < 1.05 * 200e6, link


def test_boards_give_one_board_s_answers(bed, artifacts, small_inputs, small_answer):
    with (
        Cluster.connect((bed.host, bed.port), bed.key, 2) as cluster,
        cluster.deploy(artifacts(2, "InH")) as deployment,
    ):
        (answer,) = deployment.run(small_inputs)
        assert [s.address for s in cluster.sessions] == sorted(s.address for s in cluster.sessions)
        sent = [sum(e["bytes_sent"] for e in s["exchanges"]) for s in deployment.stats()]
    assert relative_error(answer, small_answer) < 1e-5
    assert min(sent) > 0


def test_servers_are_in_their_groups_with_all_their_children(bed, folder):
    record = load(folder, bed.name)
    for rank in range(2):
        pids = processes(record.network.board(rank))
        assert len(pids) >= 2  # TVM's server and its worker
        for pid in pids:
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            assert f"/flexpie-{record.id}/board{rank}\n" in groups


def test_boards_with_a_core_of_their_own_do_not_interrupt_the_host(bed, folder):
    network = load(folder, bed.name).network
    pids = [processes(network.board(rank)) for rank in range(2)]
    cores = [set.union(*map(os.sched_getaffinity, own)) for own in pids]
    alone = cores[0].isdisjoint(cores[1])
    for own in pids:
        batch = {os.sched_getscheduler(pid) == os.SCHED_BATCH for pid in own}
        assert batch == {alone}


def test_boards_are_listed_with_what_they_are(bed):
    free = list_boards(bed.host, bed.port)
    assert [board.state for board in free] == ["free", "free"]
    subnet = bed.host.rpartition(".")[0]
    assert [board.address for board in free] == [f"{subnet}.1", f"{subnet}.2"]
    for board in free:
        assert (board.arch, board.key) == (os.uname().machine, "bed")
        assert (board.tvm, board.cores) == (tvm.__version__, 1)
        assert board.memory > MEMORY
        assert board.system == f"Linux {os.uname().release}"
    assert list_boards(bed.host, bed.port, "another key") == []
    wait_until_free(bed)
    with Cluster.connect((bed.host, bed.port), bed.key, 1):
        states = [board.state for board in list_boards(bed.host, bed.port)]
        assert sorted(states) == ["busy", "free"]  # the tracker gives any of them


def test_status_lists_it(bed, folder, capsys, tmp_path):
    file = tmp_path / "status.json"
    assert run_command(["testbed", "status", "--state", str(folder), "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"--tracker {bed.host}:{bed.port} --key bed" in printed
    assert printed.count("runs") == 2
    (told,) = json.loads(file.read_text())
    assert told["rates"] == bed.rates


def test_a_name_that_is_taken(bed, folder, capsys):
    assert run_command(["testbed", "up", "--name", "bed", "--state", str(folder)]) == 2
    assert "testbed 'bed' is there already" in capsys.readouterr().err


def test_a_board_that_takes_more_memory_than_it_has_is_lost_alone(bed):
    """The last test of this testbed: a stock server does not come back when its child is killed."""
    with Cluster.connect((bed.host, bed.port), bed.key, 2) as cluster:
        small, large = (session.remote.cpu(0) for session in cluster.sessions)
        source, target = (tvm.nd.empty((2 * MEMORY,), "uint8", large) for _ in range(2))
        with pytest.raises(tvm.error.TVMError):
            source.copyto(target)  # on the board: now it takes the memory
        source.is_view = target.is_view = True  # there is nobody left to free them
        kept = tvm.nd.array(np.ones(1000, "float32"), small)
        assert kept.numpy().sum() == 1000
        del kept


def reaches(network: BoardNetwork, source: int, target: int) -> bool:
    """Whether one board gets a TCP connection to another at its address."""
    listener = inside(network.board(target), socket.socket)
    sender = inside(network.board(source), socket.socket)
    with listener, sender:
        listener.bind((network.address(target), 0))
        listener.listen(1)
        sender.settimeout(5)
        try:
            sender.connect(listener.getsockname())
        except OSError:
            return False
        return True


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_boards_reach_their_peers_and_nobody_else(topology, folder):
    record = reserve(folder, topology, TestbedOptions(4, topology=topology))
    network = record.network
    try:
        make_network(network)
        for source in range(4):
            others = set(range(4)) - {source}
            there = {target for target in others if reaches(network, source, target)}
            assert there == set(network.peers(source))
    finally:
        remove_network(network)
    assert traces(record) == []


def test_slices_for_boards_out_of_reach_go_round_the_ring(
    folder, small_module, small_inputs, small_answer, target, tmp_path
):
    """With OutC everybody needs everybody's channels; boards 0 and 2 have no cable."""
    options = TestbedOptions(4, topology="ring")
    mod = flexpie_tvm.FlexPiePreOptimize(target)(small_module)
    mod = flexpie_tvm.FlexPiePartition(options.cluster, "OutC")(mod)
    artifact = flexpie_tvm.build(mod, target, tmp_path / "ring.flexpie")
    with (
        testbed(options, "round", folder) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, 4) as cluster,
        cluster.deploy(artifact) as deployment,
    ):
        (answer,) = deployment.run(small_inputs)
    assert relative_error(answer, small_answer) < 1e-5


def test_exchanges_take_the_latency_that_was_asked_for(folder, artifacts, small_inputs):
    options = TestbedOptions(2, latency=50e-3)
    with (
        testbed(options, "far", folder) as bed,
        Cluster.connect((bed.host, bed.port), bed.key, 2) as cluster,
        cluster.deploy(artifacts(2, "InH")) as deployment,
    ):
        assert min(deployment.latency(small_inputs, 3)) >= 50


KILLED = """
import sys
from pathlib import Path
from flexpie_tvm.lab.testbed import TestbedOptions, testbed
with testbed(TestbedOptions(2), "killed", Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("moment", ["coming up", "up"])
def test_what_a_killed_program_left_is_removed(moment, folder, capsys):
    program = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with program:
        if moment == "up":
            assert program.stdout.readline() == b"up\n"
        else:
            until = time.monotonic() + 60
            while not (folder / "killed/board1.log").exists():
                assert time.monotonic() < until
                time.sleep(0.02)
        program.send_signal(signal.SIGKILL)
    record = load(folder, "killed")
    assert record.orphaned
    assert traces(record)
    assert run_command(["testbed", "down", "--state", str(folder)]) == 0
    assert "testbed 'killed' is removed" in capsys.readouterr().out
    assert traces(record) == []
    assert "killed" not in [left.name for left in records(folder)]


def test_a_board_that_does_not_start_is_explained_and_nothing_is_left(folder, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with (
        pytest.raises(ClusterError, match=r"ended|did not start"),
        testbed(TestbedOptions(2), "broken", folder),
    ):
        pass
    assert "broken" not in [record.name for record in records(folder)]


def test_without_root_it_says_so(capsys):
    # Another user may not be able to read this Python: import now what the command needs.
    assert run_command(["testbed", "up", "--name", "no name"]) == 2
    assert "'no name' is no name for a testbed" in capsys.readouterr().err
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setuid(65534)
            sys.stderr = os.fdopen(writing, "w")
            code = run_command(["testbed", "up", "--boards", "2"])
            sys.stderr.flush()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert "run it as root" in said
    assert said.count("\n") == 1
