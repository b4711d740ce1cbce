# SPDX-License-Identifier: Apache-2.0
"""Streams with two frames at a time on a board: order, turns, and an end for all if one fails."""

from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
import tvm

from flexpie_tvm.runtime.host_link import HostLink

from .boards import Cluster, TensorExchange, flexpie_error, on_threads, raise_any
from .graphs import exchange_graph

FULL = [[0, 6], [0, 8]]
ROWS = [[[0, 3], [0, 8]], [[3, 6], [0, 8]]]
#: A board as the host's link knows it, in this process.
HERE = SimpleNamespace(
    remote=SimpleNamespace(get_function=tvm.get_global_func), address="127.0.0.1", secure=None
)


class Track:
    """The same track of two boards; they give each other their halves."""

    def __init__(self, stack, transport):
        exchange = TensorExchange(ROWS, [FULL, FULL], name="t", layer="l")
        self.cluster = stack.enter_context(Cluster(transport, [exchange], 2, deadline_ms=60000))
        self.boards = self.cluster.boards
        self.graphs = [exchange_graph(rank, (3, 8), (6, 8)) for rank in range(2)]
        self.links = [
            HostLink(rank, HERE, [graph.get_input("x")], [graph.get_output(0)], 60.0)
            for rank, graph in enumerate(self.graphs)
        ]
        for link in self.links:
            stack.callback(link.close)

    def parts(self, rank):
        return self.links[rank].module, self.boards[rank], self.graphs[rank].module


def tracks_of(stack, transport):
    tracks = [Track(stack, transport) for _ in range(2)]
    for first, second in zip(tracks[0].boards, tracks[1].boards, strict=True):
        second["share_turn"](first)
    return tracks


def serve(tracks, rank, first):
    parts = [part for track in tracks for part in track.parts(rank)]
    return int(tvm.get_global_func("flexpie.serve")(first, *parts))


def test_frames_go_to_tracks_in_turns(transport):
    frames = np.random.default_rng(1).standard_normal((9, 6, 8)).astype("float32")
    with ExitStack() as stack:
        tracks = tracks_of(stack, transport)

        def send(rank):
            for k, frame in enumerate(frames):
                tracks[k % 2].links[rank].send_frame([frame[3 * rank : 3 * rank + 3]])
            for track in tracks:
                track.links[rank].end_frames()

        def receive(rank):
            return [tracks[k % 2].links[rank].receive()[0] for k in range(len(frames))]

        found = raise_any(
            on_threads(
                *[lambda r=r: serve(tracks, r, 7) for r in range(2)],
                *[lambda r=r: receive(r) for r in range(2)],
                *[lambda r=r: send(r) for r in range(2)],
            )
        )
        assert found[:2] == [9, 9]
        for answers in found[2:4]:
            for answer, frame in zip(answers, frames, strict=True):
                np.testing.assert_array_equal(answer, frame)
        assert [track.cluster.stats(1)["frames"] for track in tracks] == [5, 4]


def test_a_track_that_fails_ends_the_other(transport):
    """Nobody sends a frame to the first track, which would be waited for."""
    with ExitStack() as stack:
        tracks = tracks_of(stack, transport)

        def lose_a_board():
            tracks[1].links[0].send_frame([np.zeros((3, 8), "float32")])
            tracks[1].boards[1]["close"]()

        served, _ = on_threads(lambda: serve(tracks, 0, 1), lose_a_board)
        content, said = flexpie_error(served)
        assert content["kind"] == "lost_board"
        assert (content["board"], content["peer"], content["layer"]) == (0, 1, "l")
        assert "lost board 1" in said
        with pytest.raises(tvm.TVMError, match="the board failed before: lost board 1"):
            tracks[0].boards[0]["run"](tracks[0].graphs[0].module, 1)


@pytest.mark.parametrize("arguments", [(), (1,), (1, 2, 3)])
def test_arguments_that_are_no_tracks(arguments):
    with pytest.raises(tvm.TVMError, match="takes a frame, and link, board and executor each"):
        tvm.get_global_func("flexpie.serve")(*arguments)
