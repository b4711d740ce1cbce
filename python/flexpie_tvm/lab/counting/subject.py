# SPDX-License-Identifier: Apache-2.0
"""A network to count: its file with static shapes, inputs, right answers, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import tvm
from tvm import relay

from ...frontend.onnx_model import fix_shapes, import_onnx, read_onnx
from ..bench.networks import Network, Shape

#: Of a page, in pixels.
_COLOURS, _BLOT, _LINE = 3, 4, 16


@dataclass(frozen=True)
class CountedNetwork:
    """A network whose inferences are counted.

    Parameters
    ----------
    name : str
        Its name.
    path : Path
        An ONNX file without weights among its inputs, all of whose inputs have static shapes.
    inputs : mapping
        Input name -> array of random values.
    """

    name: str
    path: Path
    inputs: Mapping[str, np.ndarray]

    @cached_property
    def module(self) -> tvm.IRModule:
        """As Relay's importer gives it."""
        shapes = {name: value.shape for name, value in self.inputs.items()}
        return import_onnx(read_onnx(self.path), shapes, str(self.path))

    @cached_property
    def answers(self) -> list[np.ndarray]:
        """By onnxruntime on this machine."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # old files keep weights that nothing uses
        session = onnxruntime.InferenceSession(
            str(self.path), options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, dict(self.inputs))

    @cached_property
    def multiply_accumulates(self) -> int:
        """Of its convolutions and matrix products, computed plainly."""
        return relay.analysis.get_total_mac_number(self.module["main"])


def subject_of(network: Network, folder: Path) -> CountedNetwork:
    """Prepare a network.

    Parameters
    ----------
    network : Network
        With shapes for its dynamic dims.
    folder : Path
        Where the file with static shapes is written.

    Raises
    ------
    ModelError
        If a dim stays dynamic.
    """
    model = read_onnx(network.path)
    shapes = fix_shapes(model, dict(network.shapes), str(network.path))
    values = [value for value in model.graph.input if value.name in shapes]
    del model.graph.input[:]  # old files list their weights, too: they had to, before version 4
    model.ir_version = max(model.ir_version, 4)
    model.graph.input.extend(_fixed(value, shapes[value.name]) for value in values)
    for value in model.graph.output:  # they follow from the inputs'
        value.type.tensor_type.ClearField("shape")
    path = folder / f"{network.name}.static.onnx"
    onnx.save(model, str(path))
    rng = np.random.default_rng(1)
    inputs = {value.name: _random(value, shapes[value.name], rng) for value in values}
    return CountedNetwork(network.name, path, inputs)


def _fixed(value: onnx.ValueInfoProto, shape: Shape) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape)


def _random(value: onnx.ValueInfoProto, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    is_image = len(shape) == 4 and shape[1] == _COLOURS
    return (_page(shape, rng) if is_image else rng.uniform(0, 1, shape)).astype(dtype)


def _page(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Lines of random blots: to a network that finds text, answers to noise are all but zero."""
    rows, columns = shape[2:]
    blots = rng.uniform(size=(-(-rows // _BLOT), -(-columns // _BLOT))) > 0.5
    dark = np.kron(blots, np.ones((_BLOT, _BLOT)))[:rows, :columns]
    dark[(np.arange(rows) // _LINE) % 2 == 0] = 0
    return 1 - 2 * dark + rng.uniform(-0.1, 0.1, shape)
