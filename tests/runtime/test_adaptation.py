# SPDX-License-Identifier: Apache-2.0
"""When a board throttles, another plan is built beside the requests and then runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import flexpie_tvm
from flexpie_tvm.errors import InputError
from flexpie_tvm.runtime import Cluster, load_artifact, relative_error, run_whole
from flexpie_tvm.runtime.adaptation import Adaptation
from flexpie_tvm.runtime.drift import Drift, Watch
from flexpie_tvm.runtime.repertoire import Repertoire
from flexpie_tvm.runtime.replanner import Replanner
from flexpie_tvm.testing.throttle import throttled

from .processes import board_process

THROTTLES = Drift("compute", 1, 4.0)


def rows(artifact, board: int) -> int:
    """Of the answer, those that a board computes."""
    part = artifact.outputs[0].regions[board].slices()[2]
    return part.stop - part.start


@pytest.fixture
def offered(busy):
    """An adaptation whose boards take what is offered when they are told to."""
    replanner = Replanner(busy)
    recovery = SimpleNamespace(
        repertoire=Repertoire(busy, replanner), replanner=replanner, switches=0
    )
    yield Adaptation(recovery, 0.1), recovery.repertoire
    replanner.close()


def take(repertoire: Repertoire) -> bool:
    """Deploy what was offered, as `Recovery` does."""
    taken = repertoire.take()
    repertoire.present = repertoire.best((0, 1))
    return taken


def test_a_board_that_throttles_gets_less_until_it_has_cooled_down(offered, busy):
    adaptation, repertoire = offered
    adaptation.consider([])
    adaptation.wait()
    assert not repertoire.is_offered
    adaptation.consider([THROTTLES])
    adaptation.wait()
    assert take(repertoire)
    slow = repertoire.present.artifact
    assert rows(busy, 1) == 48
    assert 10 <= rows(slow, 1) <= 30  # a fifth of 96, as far as halos let it
    assert rows(slow, 0) + rows(slow, 1) == 96
    assert load_artifact(slow.path).boards == 2  # it is whole

    adaptation.consider([replace(THROTTLES, factor=4.3)])  # as before
    adaptation.wait()
    assert not repertoire.is_offered
    adaptation.consider([])
    adaptation.wait()
    assert take(repertoire)
    assert repertoire.present.artifact is busy  # nothing was built for that


def test_what_gains_too_little_is_not_built(offered, caplog):
    adaptation, repertoire = offered
    caplog.set_level(logging.WARNING, "flexpie_tvm.runtime.adaptation")
    adaptation.consider([Drift("compute", 1, 1.05)])
    adaptation.wait()
    assert not repertoire.is_offered
    assert "not worth it" in caplog.text


def test_what_cannot_be_planned_leaves_the_present_plan(offered, busy, caplog):
    adaptation, repertoire = offered
    model = busy.path / "model.onnx"
    whole = model.read_bytes()
    try:
        model.write_bytes(whole[: len(whole) // 2])
        adaptation.consider([THROTTLES])
        adaptation.wait()
    finally:
        model.write_bytes(whole)
    assert "the present one goes on" in caplog.text
    assert not repertoire.is_offered


def test_an_offer_for_other_boards_is_not_taken(offered):
    adaptation, repertoire = offered
    adaptation.consider([THROTTLES])
    adaptation.wait()
    repertoire.present = replace(repertoire.present)  # deployed anew meanwhile
    assert not repertoire.take()


def test_a_drift_is_still_one_under_the_plan_that_was_made_for_it():
    """Milliseconds of another plan are others; who recovers is known by the factor all the same."""
    told, counted = [], []
    adaptation = SimpleNamespace(switches=0, consider=lambda found: told.append(found))
    watch = Watch(lambda: counted[-1], looks=1, adaptation=adaptation)

    def look(frames: int, compute: list[float]) -> list[Drift]:
        counted.append(
            [
                {"frames": frames, "run_ns": int(ms * 1e6 * frames), "exchanges": []}
                for ms in compute
            ]
        )
        return watch.look()

    assert look(1, [10, 10]) == []
    assert look(2, [10, 25]) == [Drift("compute", 1, pytest.approx(4.0))]
    adaptation.switches = 1
    assert look(3, [16, 16]) == [Drift("compute", 1, pytest.approx(4.0))]
    assert look(6, [16, 10]) == []
    assert [bool(found) for found in told] == [False, True, True, False]


def test_to_switch_takes_a_cluster_and_a_model(boards, artifacts):
    artifact = artifacts(2, "InH")  # keeps no model
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(artifact) as deployment,
        pytest.raises(InputError, match="keeps no model"),
    ):
        deployment.watch(switch=True)


@pytest.fixture(scope="module")
def frames(busy, target):
    """Inputs, and what TVM alone answers to them."""
    rng = np.random.default_rng(1)
    inputs = [{"image": rng.normal(size=(1, 3, 96, 96)).astype("float32")} for _ in range(3)]
    mod = flexpie_tvm.load_onnx(busy.model, {})
    return inputs, [run_whole(mod, target, image)[0] for image in inputs]


@pytest.mark.parametrize("on_board_lost", ["raise", "replan"])
def test_a_real_board_that_throttles_gets_less(on_board_lost, busy, boards, frames, caplog):
    inputs, right = frames
    caplog.set_level(logging.WARNING)

    def run(count: int) -> None:
        for k in range(count):
            (answer,) = deployment.run(inputs[k % 3], on_board_lost)
            assert relative_error(answer, right[k % 3]) < 1e-5

    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(busy) as deployment,
    ):
        watch = deployment.watch(switch=True)
        run(6)
        watch.look()
        with throttled([board_process(cluster, 1)], 0.004, 0.25):
            for _ in range(20):
                run(3)
                watch.look()
                watch.adapt()
                if rows(deployment.artifact, 1) < 48:
                    break
            run(3)
            assert rows(deployment.artifact, 1) < 40 < 56 < rows(deployment.artifact, 0)
            assert deployment.recovery.switches >= 1
            assert deployment.artifact.path != busy.path
            # counters begin anew with what is deployed: it is what ran
            first, second = (board["frames"] for board in deployment.stats())
            assert first == second > 0


def test_a_stream_goes_on_with_the_new_plan_between_frames(busy, boards, frames):
    inputs, right = frames
    with (
        Cluster.connect((boards.host, boards.port), boards.key, 2) as cluster,
        cluster.deploy(busy) as deployment,
    ):
        deployment.watch(switch=True)
        deployment.adaptation.consider([THROTTLES])
        deployment.adaptation.wait()
        recovery = deployment.recovery
        before = recovery.repertoire.present
        assert recovery.repertoire.take()  # to be offered in the midst of the stream
        better = recovery.repertoire.best((0, 1))
        recovery.repertoire.forget()
        used = []
        for k, (answer,) in enumerate(deployment.stream((inputs[j % 3] for j in range(12)), 3)):
            assert relative_error(answer, right[k % 3]) < 1e-5
            used.append(rows(deployment.artifact, 1))
            if k == 4:
                recovery.repertoire.offer(better, before)
    assert len(used) == 12
    assert used[:5] == [48] * 5
    assert used[-1] < 40
    assert recovery.switches == 1
