# SPDX-License-Identifier: Apache-2.0
"""Where answers begin to differ: the first tensor that another engine computes otherwise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import tvm

from ..errors import EngineError, FlexPieError, PlanError
from ..frontend.onnx_model import load_onnx, read_onnx
from ..frontend.onnx_outputs import compared_tensors, ending_at
from ..passes import FlexPiePreOptimize
from ..plan import ClusterSpec
from ..relay import FlexPiePartition
from ..runtime import (
    ENGINES,
    Artifact,
    Cluster,
    Deployment,
    SingleBoard,
    build,
    build_single,
    relative_error,
    tolerance_of,
)
from ..runtime.one_board import PATIENCE
from ..runtime.reference import reference
from ..runtime.whole import build_alone

TVM, FLEXPIE, ONNXRUNTIME = ENGINES
Run = Callable[[tvm.IRModule, Path], list[np.ndarray]]


@dataclass(frozen=True)
class Difference:
    """The first tensor that differs.

    Parameters
    ----------
    tensor, node : str
        Its name, and the node that makes it.
    error : float
        Relative to the range of the tensor.
    side : str
        Whose tensors were compared.
    engine : str
        With whose.
    """

    tensor: str
    node: str
    error: float
    side: str
    engine: str

    def __str__(self) -> str:
        return (
            f"{self.side} and {self.engine} first differ at tensor '{self.tensor}' of {self.node}, "
            f"by {self.error:.1e}"
        )


def where_it_differs(
    artifact: Artifact, cluster: Cluster, inputs: Mapping[str, np.ndarray], sides: list[str]
) -> str:
    """One sentence on where answers begin to differ from another engine's.

    The model is compiled again with all of its tensors as outputs, the way that the differing
    side goes, and every tensor is compared with onnxruntime's (or ONNX's own evaluator's).

    Parameters
    ----------
    artifact : Artifact
        Of several boards, with its model.
    cluster : Cluster
        Its boards.
    inputs : mapping
        Input name -> array.
    sides : list of str
        Engines on one board from whose answers those of several boards differ.
    """
    try:
        found = _first_difference(artifact, cluster, inputs, sides)
    except (FlexPieError, tvm.error.TVMError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        return f"the first tensor that differs was not found: {reason[:300]}"
    if found is None:
        return (
            "each tensor by itself is as another engine computes it: the difference comes of "
            "operators that are computed together, and is gone where all tensors are kept"
        )
    return str(found)


def _first_difference(
    artifact: Artifact, cluster: Cluster, inputs: Mapping[str, np.ndarray], sides: list[str]
) -> Difference | None:
    model = read_onnx(artifact.model)
    tensors = compared_tensors(model)
    side, run = _side(artifact, cluster, inputs, sides)
    with tempfile.TemporaryDirectory() as scratch:
        shown = Path(scratch) / "all_tensors.onnx"
        onnx.save(ending_at(model, [name for name, _ in tensors], str(artifact.model)), str(shown))
        expected = reference(shown, inputs)
        mod = load_onnx(shown, {port.name: port.shape for port in artifact.inputs})
        answers = run(mod, Path(scratch))
    if len(answers) != len(expected.answers):
        raise EngineError(f"{len(answers)} tensors, and {len(expected.answers)} of another engine")
    for (name, node), got, wanted in zip(tensors, answers, expected.answers, strict=True):
        error = relative_error(got, wanted)
        if not error <= tolerance_of(ONNXRUNTIME, artifact.precision):
            return Difference(name, node, error, side, expected.engine)
    return None


def _side(
    artifact: Artifact, cluster: Cluster, inputs: Mapping[str, np.ndarray], sides: list[str]
) -> tuple[str, Run]:
    """Who is at fault, and how its tensors are computed."""
    described = ClusterSpec.from_json(artifact.plan["cluster"])
    rank = described.by_speed[0]
    session, target = cluster.sessions[rank], artifact.targets[rank]

    def on_several(mod: tvm.IRModule, scratch: Path) -> list[np.ndarray]:
        optimized = FlexPiePreOptimize([*artifact.targets], artifact.precision)(mod)
        try:
            annotated = FlexPiePartition(described, artifact.scheme)(optimized)
        except PlanError:  # a plan of the user's own has no scheme that can be asked for
            annotated = FlexPiePartition(described)(optimized)
        made = build(annotated, [*artifact.targets], scratch / "all.flexpie")
        with cluster.deploy(made, PATIENCE) as deployment:
            return deployment.run(inputs)

    def by_us(mod: tvm.IRModule, scratch: Path) -> list[np.ndarray]:
        optimized = FlexPiePreOptimize(target, artifact.precision)(mod)
        made = build_alone(optimized, target, scratch)
        with Deployment(made, [session], PATIENCE) as deployment:
            return deployment.run(inputs)

    def by_tvm(mod: tvm.IRModule, scratch: Path) -> list[np.ndarray]:
        with SingleBoard(session, build_single(mod, target, scratch / "w.so"), target) as board:
            return board.run(inputs)

    if FLEXPIE in sides:
        return "several boards", on_several
    if ONNXRUNTIME in sides:
        return "flexpie on one board", by_us
    return "TVM on one board", by_tvm
