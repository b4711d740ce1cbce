# SPDX-License-Identifier: Apache-2.0
"""``FlexPiePartition``: the pass that writes a plan into a Relay module."""

from __future__ import annotations

import tvm

from ..cost import Cost
from ..plan import ClusterSpec, Plan, check_scheme, said_cluster
from .partitioned import partition


def FlexPiePartition(  # noqa: N802 - passes are named like classes in tvm.relay.transform
    cluster: ClusterSpec | int | None = None,
    scheme: str = "auto",
    cost: Cost | None = None,
    objective: str = "latency",
    plan: Plan | None = None,
) -> tvm.transform.Pass:
    """Give every layer a scheme, a split and a mode (FlexPie, section 3).

    The result is still the whole model and runs on one board unchanged; it is the input of
    `flexpie_tvm.lower`.

    Parameters
    ----------
    cluster : ClusterSpec or int, optional
        The boards to plan for; a number means that many equal boards. By default those of the
        ``with ClusterSpec(...):`` around this call, else around the pass as it runs, else four
        equal boards, and a warning says so.
    scheme : str
        ``auto`` finds the best plan. ``InH``, ``InW``, ``OutC``, ``2D-grid``,
        ``2D-grid:RxC``, ``Single`` and ``InC`` (partial sums) cut every layer that way, all
        in mode T. ``layerwise`` and ``fused`` are the best plans of those ways of cutting.
    cost : Cost, optional
        Predicts milliseconds; by default `Analytic`, from the cluster's figures alone.
    objective : {"latency", "throughput", "energy"}
        What ``auto`` minimises.
    plan : Plan, optional
        A finished plan for this module; then nothing else is looked at.

    Returns
    -------
    pass : tvm.transform.Pass
        A module pass, usable in ``tvm.transform.Sequential``.

    Raises
    ------
    PlanError
        From the call, for an unknown scheme or a bad number of boards; from the pass, if no
        plan fits the boards' memory, or a finished plan is for another model or precision.
    """
    said = said_cluster(cluster)
    if plan is None and said is not None:
        check_scheme(scheme, said.boards)

    @tvm.transform.module_pass(opt_level=0, name="FlexPiePartition", required=["InferType"])
    def run(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        return partition(mod, said, scheme, cost, objective, plan).annotated

    return run
