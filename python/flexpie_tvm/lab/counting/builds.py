# SPDX-License-Identifier: Apache-2.0
"""Subject -> what an engine runs on one aarch64 board."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ...codegen.merge import input_name
from ...errors import ToolError
from ...machine import FP16, FP32
from ...passes import FlexPiePreOptimize
from ...relay import FlexPiePartition
from ...runtime import Artifact, build, build_single, is_artifact, load_artifact
from .cpus import CountedCpu
from .engines import pnnx
from .guest import Job
from .programs import run
from .subject import CountedNetwork


def boards_of(
    subject: CountedNetwork,
    cpu: CountedCpu,
    folder: Path,
    boards: int,
    scheme: str,
    precision: str = FP32,
) -> Artifact:
    """A network cut over equal boards, compiled; once for each folder.

    Parameters
    ----------
    subject : CountedNetwork
        The network.
    cpu : CountedCpu
        Of all boards.
    folder : Path
        Where the artifact is written.
    boards : int
        How many.
    scheme : str
        Of every layer.
    precision : {"fp32", "fp16"}
        As of ``FlexPiePreOptimize``.
    """
    path = folder / f"{subject.name}.{cpu.name}.{scheme}{boards}.{precision}.flexpie"
    if is_artifact(path):
        return load_artifact(path)
    module = FlexPiePreOptimize(cpu.target, precision)(subject.module)
    return build(FlexPiePartition(boards, scheme)(module), cpu.target, path)


def _flexpie(subject: CountedNetwork, cpu: CountedCpu, folder: Path, precision: str = FP32) -> Job:
    artifact = boards_of(subject, cpu, folder, 1, "Single", precision)
    values = {input_name(k): subject.inputs[port.name] for k, port in enumerate(artifact.inputs)}
    return Job("tvm", str(artifact.library(0)), values)


def _tvm(subject: CountedNetwork, cpu: CountedCpu, folder: Path) -> Job:
    path = folder / f"{subject.name}.{cpu.name}.tvm.so"
    build_single(subject.module, cpu.target, path)
    return Job("tvm", str(path), subject.inputs)


def _onnxruntime(subject: CountedNetwork, _cpu: CountedCpu, _folder: Path) -> Job:
    return Job("onnxruntime", str(subject.path), subject.inputs)


def _ncnn(subject: CountedNetwork, _cpu: CountedCpu, folder: Path) -> Job:
    """Converted with weights in float32, as the others have them."""
    own = folder / f"{subject.name}.ncnn"
    own.mkdir(exist_ok=True)
    link = own / "net.onnx"
    if not link.is_symlink():
        link.symlink_to(os.path.relpath(subject.path, own))
    shapes = ",".join(f"[{','.join(map(str, x.shape))}]f32" for x in subject.inputs.values())
    run([pnnx(), link.name, f"inputshape={shapes}", "fp16=0"], cwd=own)
    if not (own / "net.ncnn.param").is_file():
        raise ToolError(f"pnnx does not convert {subject.name}")
    return Job("ncnn", str(own / "net.ncnn"), subject.inputs)


#: Ours in fp16.
FLEXPIE_FP16 = "flexpie_fp16"
#: Engine -> how a network is prepared for it. ``tvm`` is stock TVM, with tiles for ARM.
ENGINES: Mapping[str, Callable[[CountedNetwork, CountedCpu, Path], Job]] = {
    "flexpie": _flexpie,
    FLEXPIE_FP16: partial(_flexpie, precision=FP16),
    "tvm": _tvm,
    "onnxruntime": _onnxruntime,
    "ncnn": _ncnn,
}
