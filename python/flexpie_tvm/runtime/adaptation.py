# SPDX-License-Identifier: Apache-2.0
"""From what drifts to another plan, which is built beside the requests and then taken."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import tvm

from ..cost import Analytic
from ..errors import FlexPieError
from ..plan import ClusterSpec, plan_from_json, simulate
from ..plan.model.drifted import drifted
from ..plan.model.losses import remaining
from ..relay import Partitioned
from .drift import Drift
from .fallback import Fallback
from .recovery import Recovery

LOGGER = logging.getLogger(__name__)
#: A drift that has changed by less than so many times is the same.
SAME = 1.25
#: What is there already is taken if it is as good as what would have to be built, times this.
NEAR = 1.02
#: What fails while another plan is made; the present one goes on.
FAILURES = (FlexPieError, tvm.error.TVMError, OSError, RuntimeError)

#: (kind, rank) -> how many times as long it takes.
Factors = Mapping[tuple[str, int], float]


class Adaptation:
    """Looks for a better plan when something drifts, and has it taken if it is worth it.

    Parameters
    ----------
    recovery : Recovery
        Of the deployment; it switches between requests.
    margin : float
        A plan is taken if its predicted time is less by this share, such as 0.1.
    """

    def __init__(self, recovery: Recovery, margin: float):
        self._recovery, self._replanner, self._margin = recovery, recovery.replanner, margin
        self._thread: threading.Thread | None = None
        self._known: Factors = {}  # what the present plan was last judged by

    @property
    def switches(self) -> int:
        """How often the boards got something else to run."""
        return self._recovery.switches

    def consider(self, drifts: Sequence[Drift]) -> None:
        """Look for a better plan, on a thread of its own, if other things drift than before."""
        factors = {(drift.kind, drift.board): drift.factor for drift in drifts}
        if _alike(factors, self._known) or self.busy:
            return
        self._known = factors
        self._thread = threading.Thread(
            target=self._adapt, args=(factors,), name="flexpie-adaptation", daemon=True
        )
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a plan is being made now."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Until no plan is being made; what was made is taken before the next request."""
        if self._thread is not None:
            self._thread.join()

    def _adapt(self, factors: Factors) -> None:
        repertoire = self._recovery.repertoire
        present, usual = repertoire.present, repertoire.usual()
        try:
            found = self._better(present, usual, factors)
        except FAILURES as error:
            LOGGER.warning("no other plan was made, the present one goes on: %s", error)
            return
        if found is not None and not repertoire.offer(found, present):
            LOGGER.warning("the boards are others now: the plan is not taken")

    def _better(self, present: Fallback, usual: Fallback, factors: Factors) -> Fallback | None:
        """Something to run that is predicted to be faster under a drift, built; or None."""
        ranks = present.ranks
        now = _drifted(remaining(self._replanner.cluster, ranks), factors)
        best = self._replanner.plan(now, ranks)
        old, new, ready = self._ms(self._planned(present), now), self._ms(best, now), None
        if usual is not present:
            back = self._ms(self._planned(usual), now)
            if back <= new * NEAR:
                new, ready = back, usual
        worth = new < old * (1 - self._margin)
        LOGGER.warning(
            "%s: %.3f ms are predicted of the present plan, %.3f of %s, which is %s",
            _text(factors), old, new, "the first one" if ready else "another one",
            "made ready" if worth else "not worth it",
        )  # fmt: skip
        if not worth:
            return None
        return ready or Fallback(self._replanner.build(best, ranks), ranks)

    def _planned(self, given: Fallback) -> Partitioned:
        plan = plan_from_json(given.artifact.plan, str(given.artifact.path / "plan.json"))
        return self._replanner.plan(plan.cluster, given.ranks, plan)

    def _ms(self, planned: Partitioned, cluster: ClusterSpec) -> float:
        """Predicted milliseconds of a plan on boards that may be others than it was made for."""
        plan = replace(planned.plan, cluster=cluster)
        return simulate(planned.graph, plan, self._replanner.cost or Analytic()).latency


def _drifted(cluster: ClusterSpec, factors: Factors) -> ClusterSpec:
    by_kind = {
        kind: {rank: factor for (other, rank), factor in factors.items() if other == kind}
        for kind in ("compute", "exchange")
    }
    return drifted(cluster, by_kind["compute"], by_kind["exchange"])


def _alike(found: Factors, known: Factors) -> bool:
    """Whether what drifts is what has drifted, and as much."""
    if set(found) != set(known):
        return False
    return all(1 / SAME <= factor / known[key] <= SAME for key, factor in found.items())


def _text(factors: Factors) -> str:
    said = (str(Drift(*key, factor)) for key, factor in factors.items())
    return "; ".join(said) or "nothing drifts any more"
