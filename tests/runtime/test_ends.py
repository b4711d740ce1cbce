# SPDX-License-Identifier: Apache-2.0
"""Sessions and deployments end when told to, whatever happened and whoever still holds them."""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from tvm.rpc import base

from flexpie_tvm.errors import BoardError, BoardLost, ClosedError
from flexpie_tvm.runtime import Cluster, deployed_boards, load_artifact, local_boards
from flexpie_tvm.runtime.board_runner import BoardRunner
from flexpie_tvm.runtime.tracker import connect_tracker, free_boards

from .processes import board_process, stopped


def connect(own, count: int) -> Cluster:
    return Cluster.connect((own.host, own.port), own.key, count)


def free_after(own, wanted: int, seconds: float = 20) -> int:
    until = time.monotonic() + seconds
    while (free := free_boards(own.host, own.port, own.key)) < wanted and time.monotonic() < until:
        time.sleep(0.05)
    return free


@contextmanager
def no_garbage_collector():
    """What cycles of objects hold stays held."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_boards_are_free_after_close_although_everything_is_kept(artifacts, small_inputs):
    with local_boards(3) as own:
        cluster = connect(own, 3)
        deployment = cluster.deploy(artifacts(3, "InH"))
        deployment.run(small_inputs)
        kept = (deployment, cluster.sessions, [s.remote.cpu(0) for s in cluster.sessions])
        deployment.close()
        cluster.close()
        assert free_after(own, 3) == 3
        assert len(kept) == 3  # all of it is alive until here


def test_sessions_end_with_their_cluster_also_without_the_garbage_collector(
    artifacts, small_inputs
):
    """TVM has room for 32 of them in a process."""
    with local_boards(2) as own, no_garbage_collector():
        cluster = connect(own, 2)
        deployment = cluster.deploy(artifacts(2, "InH"))
        deployment.run(small_inputs, on_board_lost="replan")
        kept = [weakref.ref(session) for session in cluster.sessions]
        cluster.close()
        assert [session() for session in kept] == [None, None]
        del deployment  # alive until here


def test_a_frozen_board_keeps_no_other(artifacts, small_inputs):
    with local_boards(3) as own:
        cluster = connect(own, 3)
        deployment = cluster.deploy(artifacts(3, "InH"), deadline=1)
        deployment.run(small_inputs)
        with stopped(board_process(cluster, 1)):
            with pytest.raises(BoardError, match="board 1") as caught:
                deployment.run(small_inputs)
            kept = caught.value, caught.tb
            deployment.close()
            cluster.close()
            assert free_after(own, 2) == 2
        assert free_after(own, 3) == 3  # and it comes back once it goes on
        assert kept


def test_a_board_frozen_while_it_gets_its_part_is_named_in_time(artifacts, monkeypatch):
    """However much is left to send: the deadline counts from the last piece that it took."""
    artifact, pieces = load_artifact(artifacts(2, "InH").path), []
    with artifact.library(1).open("ab") as library:
        library.write(bytes(64 << 20))  # which no loader reads

    class Freezing(BoardRunner):
        def went_on(self):
            super().went_on()
            if self.rank == 1:
                pieces.append(self.progress)
                if len(pieces) == 8:
                    os.kill(process, signal.SIGSTOP)

    monkeypatch.setattr(deployed_boards, "BoardRunner", Freezing)
    with local_boards(2) as own, connect(own, 2) as cluster:
        assert [session.arch(["x86_64"]) for session in cluster.sessions] == ["x86_64"] * 2
        process, start = board_process(cluster, 1), time.monotonic()
        try:
            with pytest.raises(BoardLost, match="board 1 is lost") as caught:
                cluster.deploy(artifact, deadline=2)
            waited = time.monotonic() - start
        finally:
            os.kill(process, signal.SIGCONT)
    assert caught.value.board == 1
    assert len(pieces) == 8
    assert waited < 30  # a second for every megabyte would be 66


def test_lost_boards_leave_no_thread_file_or_slot(artifacts, small_inputs):
    """TVM has room for 32 sessions. Errors are kept, and nobody collects garbage."""
    with local_boards(2) as own, no_garbage_collector():
        counts, kept = [], []
        for _ in range(5):
            cluster = connect(own, 2)
            slots = [session.remote._tbl_index for session in cluster.sessions]
            deployment = cluster.deploy(artifacts(2, "InH"), deadline=0.5)
            with stopped(board_process(cluster, 0)):
                with pytest.raises(BoardError) as caught:
                    deployment.run(small_inputs)
                kept.append((deployment, cluster, caught.value, caught.tb))
                deployment.close()
                cluster.close()
            assert free_after(own, 2) == 2
            counts.append((threading.active_count(), len(os.listdir("/dev/fd")), max(slots)))
        assert counts[-1] == counts[1]
        assert len(kept) == 5


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_board_that_was_frozen_is_named_also_when_it_is_back(victim, artifacts, small_inputs):
    """It has waited in vain as well by then, and complains of its neighbours."""
    with local_boards(3) as own, connect(own, 3) as cluster:
        deployment = cluster.deploy(artifacts(3, "InH"), deadline=1)
        deployment.run(small_inputs)
        process = board_process(cluster, victim)
        with stopped(process):
            thaw = threading.Timer(1.6, os.kill, (process, 18))
            thaw.start()
            with pytest.raises(BoardError) as caught:
                deployment.run(small_inputs)
            thaw.join()
        assert victim in (caught.value.board, caught.value.peer)
        assert f"board {victim}" in str(caught.value)
        with pytest.raises(BoardError, match="deploy the artifact again") as again:
            deployment.run(small_inputs)
        assert (again.value.board, again.value.peer) == (caught.value.board, caught.value.peer)
        deployment.close()


def test_what_is_closed_says_so(boards, artifacts, small_inputs):
    with connect(boards, 2) as cluster:
        deployment = cluster.deploy(artifacts(2, "InH"))
        deployment.close()
        for call in (
            lambda: deployment.run(small_inputs), deployment.run_in_place, deployment.stats,
            lambda: deployment.latency(small_inputs, 1),
        ):  # fmt: skip
            with pytest.raises(ClosedError, match="deploy the artifact again"):
                call()
        deployment.close()


def test_closing_waits_for_a_run_of_another_thread(boards, artifacts, small_inputs, small_answer):
    with connect(boards, 2) as cluster:
        deployment = cluster.deploy(artifacts(2, "InH"))
        answers, ended = [], []

        def work():
            try:
                while True:
                    answers.append(deployment.run(small_inputs))
            except Exception as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while len(answers) < 20:
            time.sleep(0.001)
        deployment.close()
        thread.join()
        assert [type(error) for error in ended] == [ClosedError]
        for (answer,) in answers:
            np.testing.assert_allclose(answer, small_answer, rtol=1e-4, atol=1e-5)


def test_two_deployments_on_the_same_boards_take_turns(
    boards, artifacts, small_inputs, small_answer
):
    with connect(boards, 3) as cluster:
        deployments = [cluster.deploy(artifacts(3, scheme)) for scheme in ("InH", "OutC")]
        answers: list = []

        def work(deployment):
            for _ in range(30):
                answers.extend(deployment.run(small_inputs))

        threads = [threading.Thread(target=work, args=(d,)) for d in deployments for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 120
        for answer in answers:
            np.testing.assert_allclose(answer, small_answer, rtol=1e-4, atol=1e-5)
        for deployment in deployments:
            deployment.close()


@contextmanager
def given_up_key(own) -> Iterator[None]:
    """A registration whose board refuses the key that the tracker hands out."""
    tracker = connect_tracker(own.host, own.port)
    with socket.create_server((own.host, 0)) as listener:
        refusing = threading.Thread(target=refuse, args=(listener,), daemon=True)
        refusing.start()
        entry = [listener.getsockname()[1], f"{own.key}:given-up"]
        greeting = {"key": f"server:{own.key}", "addr": [own.host, entry[0]]}
        base.sendjson(tracker._sock, [base.TrackerCode.UPDATE_INFO, greeting])
        assert base.recvjson(tracker._sock) == base.TrackerCode.SUCCESS
        base.sendjson(tracker._sock, [base.TrackerCode.PUT, own.key, entry, own.host])
        assert base.recvjson(tracker._sock) == base.TrackerCode.SUCCESS
        yield
        listener.shutdown(socket.SHUT_RDWR)
    refusing.join(5)
    tracker.close()


def refuse(listener: socket.socket) -> None:
    with suppress(OSError):  # the listener is closed: done
        while True:
            guest, _ = listener.accept()
            with guest:
                base.recvall(guest, 4)
                base.recvall(guest, struct.unpack("<i", base.recvall(guest, 4))[0])
                guest.sendall(struct.pack("<i", base.RPC_CODE_MISMATCH))


def test_a_key_that_a_board_has_given_up_costs_a_second_request_and_no_error():
    with local_boards(1) as own, given_up_key(own):
        connect(own, 1).close()  # the board registers again, behind the other entry
        assert free_after(own, 2) == 2
        cluster = connect(own, 1)
        assert cluster.sessions[0].arch(["x86_64", "aarch64"])
        cluster.close()
