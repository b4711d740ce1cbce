# SPDX-License-Identifier: Apache-2.0
"""Several frames in flight: order, back-pressure, errors of frames and of boards."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from flexpie_tvm.errors import BoardError, ClosedError, InputError
from flexpie_tvm.runtime import Cluster, relative_error
from flexpie_tvm.runtime.frame_rate import frame_times

from .processes import board_process


def connect(boards, count: int) -> Cluster:
    return Cluster.connect((boards.host, boards.port), boards.key, count)


def random_frames(count: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{"image": rng.normal(size=(1, 3, 16, 16)).astype("float32")} for _ in range(count)]


def gather(stream, answers: list, after_five=lambda: None) -> None:
    for answer in stream:
        answers.append(answer)
        if len(answers) == 5:
            after_five()


@pytest.fixture
def deployment(boards, artifacts):
    with connect(boards, 3) as cluster, cluster.deploy(artifacts(3, "InH"), 5.0) as deployed:
        yield deployed


@pytest.mark.parametrize(("in_flight", "tracks"), [(1, 1), (4, 1), (1, 2), (2, 2), (9, 2)])
@pytest.mark.parametrize(("count", "scheme"), [(1, "Single"), (2, "OutC"), (3, "InH"), (4, "InW")])
def test_answers_come_in_order_and_are_those_of_run(
    count, scheme, in_flight, tracks, boards, artifacts
):
    frames = random_frames(12)
    with connect(boards, count) as cluster, cluster.deploy(artifacts(count, scheme)) as deployed:
        expected = [deployed.run(frame)[0] for frame in frames]
        answers = list(deployed.stream(frames, in_flight, tracks=tracks))
        again = deployed.run(frames[3])[0]
        assert {board["frames"] for board in deployed.stats()} == {25}
    assert len(answers) == len(frames)
    for (answer,), other in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, other)
    np.testing.assert_array_equal(again, expected[3])


@pytest.mark.parametrize("on_board_lost", ["raise", "replan"])
def test_a_source_may_fill_its_buffer_again(on_board_lost, boards, artifacts):
    """As a camera does, while frames that it gave before are under way."""
    frames, buffer = random_frames(12, seed=3), np.zeros((1, 3, 16, 16), "float32")

    def camera():
        for frame in frames:
            buffer[:] = frame["image"]
            yield {"image": buffer}
            buffer[:] = np.nan

    with connect(boards, 2) as cluster, cluster.deploy(artifacts(2, "InH")) as deployed:
        expected = [deployed.run(frame)[0] for frame in frames]
        answers = list(deployed.stream(camera(), 4, on_board_lost=on_board_lost))
    for (answer,), other in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, other)


def test_a_board_without_inputs_of_its_own_serves_too(boards, artifacts):
    """Rank 0 owns all of ``Single``; the others have nothing to receive or to send."""
    artifact = artifacts(3, "Single")
    assert all(region.is_empty for region in artifact.inputs[0].regions[1:])
    frames = random_frames(5)
    with connect(boards, 3) as cluster, cluster.deploy(artifact) as deployed:
        expected = [deployed.run(frame)[0] for frame in frames]
        for (answer,), other in zip(deployed.stream(frames, 3), expected, strict=True):
            np.testing.assert_array_equal(answer, other)
        # a run by itself does not call boards that have nothing to do
        assert [board["frames"] for board in deployed.stats()] == [10, 5, 5]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_frames_are_taken_than_may_be_in_flight(in_flight, deployment):
    taken, ahead = [], []

    def source():
        for frame in random_frames(20):
            taken.append(frame)
            yield frame

    for answered, _ in enumerate(deployment.stream(source(), in_flight)):
        time.sleep(0.02)  # time enough to take all
        ahead.append(len(taken) - answered - 1)
    assert len(ahead) == 20
    assert max(ahead) == in_flight


def test_tracks_are_used_in_turns(deployment):
    """Frames go to both in turns; one at a time, and single runs, are on the first."""
    frames = random_frames(11)
    list(deployment.stream(frames, 3))
    assert [board["track_frames"] for board in deployment.stats()] == [[11]] * 3
    list(deployment.stream(frames, 2, tracks=2))
    list(deployment.stream(frames, 4, tracks=2))
    deployment.run(frames[0])
    stats = deployment.stats()
    assert [board["track_frames"] for board in stats] == [[11 + 6 + 6 + 1, 5 + 5]] * 3
    assert [board["frames"] for board in stats] == [34] * 3
    assert all(e["count"] == 34 for board in stats for e in board["exchanges"])
    deployment.reset_stats()
    assert [board["track_frames"] for board in deployment.stats()] == [[0, 0]] * 3


def test_counters_tell_computing_from_waiting_for_the_other_frame(deployment):
    """What a frame waits while another computes is no computing: nothing drifts by that."""
    list(deployment.stream(random_frames(60), tracks=2))
    for board in deployment.stats():
        exchanged = sum(e["total_ns"] for e in board["exchanges"])
        assert 0 < exchanged < board["run_ns"]
        for e in board["exchanges"]:
            assert e["total_ns"] == e["pack_ns"] + e["wait_ns"] + e["wire_ns"]


def test_no_frames_no_answers(deployment, small_inputs):
    assert list(deployment.stream([])) == []
    deployment.run(small_inputs)


def test_a_frame_that_is_not_the_model_s_has_its_error_in_its_place(deployment):
    frames = random_frames(6)
    expected = [deployment.run(frame)[0] for frame in frames]
    frames[2] = {"image": np.zeros((1, 3, 8, 8), "float32")}
    frames[4] = {}
    answers = list(deployment.stream(frames, on_error="yield"))
    assert [isinstance(answer, InputError) for answer in answers] == [
        False, False, True, False, True, False,
    ]  # fmt: skip
    np.testing.assert_array_equal(answers[5][0], expected[5])
    got = []
    with pytest.raises(InputError, match=r"float32 \(1, 3, 8, 8\)"):
        got.extend(deployment.stream(frames))
    del got
    np.testing.assert_array_equal(deployment.run(frames[5])[0], expected[5])


def test_answers_before_an_error_are_given(deployment):
    frames, got = [*random_frames(3), {}], []
    with pytest.raises(InputError, match="missing"):
        gather(deployment.stream(frames, 4), got)
    assert len(got) == 3


def test_an_error_of_the_source_comes_in_its_place(deployment):
    def source():
        yield from random_frames(2)
        raise RuntimeError("the camera is unplugged")

    got = []
    with pytest.raises(RuntimeError, match="unplugged"):
        gather(deployment.stream(source()), got)
    assert len(got) == 2
    assert len(list(deployment.stream(random_frames(3)))) == 3


def test_a_stream_that_is_left_early_leaves_the_boards_in_order(deployment):
    frames = random_frames(30)
    expected = deployment.run(frames[0])[0]
    for _ in range(3):
        with closing(deployment.stream(frames, 4)) as answers:
            np.testing.assert_array_equal(next(answers)[0], expected)
        np.testing.assert_array_equal(deployment.run(frames[0])[0], expected)


def test_a_run_within_a_stream_is_refused_and_of_another_thread_is_queued(deployment):
    frames, answered, found = random_frames(8), [], []

    def other() -> None:
        found.append((deployment.run(frames[0])[0], len(answered)))

    caller = threading.Thread(target=other)
    for answers in deployment.stream(frames, 2):
        if not answered:
            caller.start()
            with pytest.raises(InputError, match="a stream is under way"):
                deployment.run(frames[0])
        answered.append(answers[0])
        time.sleep(0.01)
    caller.join()
    np.testing.assert_array_equal(found[0][0], answered[0])
    assert found[0][1] == 8


def test_closing_within_a_stream_ends_it(deployment):
    answers = deployment.stream(random_frames(50), 2)
    next(answers)
    deployment.close()
    with pytest.raises(ClosedError):
        list(answers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"in_flight": 0}, "in_flight 0"),
        ({"on_error": "hope"}, "in_flight"),
        ({"tracks": 3}, "tracks 3: a board has one or two"),
    ],
)
def test_options_that_make_no_sense_are_said_at_once(options, said, deployment):
    with pytest.raises(InputError, match=said):
        deployment.stream([], **options)


@pytest.mark.parametrize("tracks", [1, 2])
def test_a_frozen_board_is_named_and_the_answers_before_it_are_given(
    tracks, boards, artifacts, small_inputs
):
    got = []

    def source():
        while True:
            yield small_inputs

    with connect(boards, 3) as cluster, cluster.deploy(artifacts(3, "InH"), 2.0) as deployed:
        process, stream = board_process(cluster, 1), deployed.stream(source(), 4, tracks=tracks)
        try:
            with pytest.raises(BoardError, match="board 1"):
                gather(stream, got, lambda: os.kill(process, signal.SIGSTOP))
        finally:
            os.kill(process, signal.SIGCONT)
        with pytest.raises(BoardError, match="earlier"):
            list(deployed.stream([small_inputs]))
    assert len(got) >= 5
    assert relative_error(got[-1][0], got[0][0]) == 0


def test_a_source_that_rests_longer_than_the_deadline_is_waited_for(boards, artifacts):
    frames = random_frames(3)

    def source():
        for frame in frames:
            time.sleep(1.5)
            yield frame

    with connect(boards, 2) as cluster, cluster.deploy(artifacts(2, "InH"), 0.5) as deployed:
        expected = [deployed.run(frame)[0] for frame in frames]
        answers = list(deployed.stream(source()))
    for (answer,), other in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(answer, other)


def test_the_time_of_a_frame_counts_from_when_it_was_there(deployment):
    (frame,) = random_frames(1)
    at_once = frame_times(deployment, frame, 6, in_flight=1, every=1e-9)
    assert len(at_once.frame_ms) == 6
    assert list(at_once.frame_ms) == sorted(at_once.frame_ms)  # each waits for those before it
    camera = frame_times(deployment, frame, 5, in_flight=2, every=0.05)
    assert len(camera.frame_ms) == 5
    assert 0 < camera.frames_per_second <= 5 / 0.2  # the fifth is there after 0.2 s
    assert camera.quantile(0) == min(camera.frame_ms)
    assert camera.quantile(1) == max(camera.frame_ms)
