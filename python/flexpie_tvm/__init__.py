# SPDX-License-Identifier: Apache-2.0
"""Run one inference on several boards: partition, build, deploy.

Importing this package puts ``FlexPiePartition`` and ``FlexPiePreOptimize`` into
``tvm.relay.transform``.
"""

from .tvm_check import require_relay

require_relay()

from .compiler import compile  # noqa: E402 - TVM is checked before it is used
from .frontend.formats import load_model  # noqa: E402
from .frontend.onnx_model import load_onnx  # noqa: E402
from .passes import FlexPiePreOptimize  # noqa: E402
from .plan import ClusterSpec, Plan, load_plan, save_plan  # noqa: E402
from .relay import FlexPiePartition, Lowered, bind_params, lower  # noqa: E402
from .runtime import (  # noqa: E402
    Artifact,
    Cluster,
    Deployment,
    build,
    load_artifact,
    local_boards,
    sign_artifact,
)

#: The one place that says it; pyproject.toml reads it here.
__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "Cluster",
    "ClusterSpec",
    "Deployment",
    "FlexPiePartition",
    "FlexPiePreOptimize",
    "Lowered",
    "Plan",
    "bind_params",
    "build",
    "compile",
    "load_artifact",
    "load_model",
    "load_onnx",
    "load_plan",
    "local_boards",
    "lower",
    "save_plan",
    "sign_artifact",
]


def _put_into_relay() -> None:
    from tvm.relay import transform

    transform.FlexPiePartition = FlexPiePartition
    transform.FlexPiePreOptimize = FlexPiePreOptimize


_put_into_relay()
