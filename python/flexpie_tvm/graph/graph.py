# SPDX-License-Identifier: Apache-2.0
"""The layer graph: a DAG of operators and tensors, grouped into layers.

Operators are listed in topological order. A layer is an anchor operator (conv2d, dense,
pool, ...) with the pointwise operators fused behind it; only a layer's outputs can be
exchanged, what lies inside a layer is always computed where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Axes:
    """Which axis of a tensor is height (or tokens), width and channels (or features).

    ``None`` where the tensor has no such axis. For blocked layouts (NCHW16c) ``c`` is the
    axis of channel blocks.

    Parameters
    ----------
    h, w, c : int or None
        Positions of height, width and channels.
    """

    h: int | None = None
    w: int | None = None
    c: int | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """One value of the graph.

    Parameters
    ----------
    id : int
        Index into ``Graph.tensors``.
    name : str
        Unique, readable name.
    shape : tuple of int
        Static shape.
    dtype : str
        TVM dtype, such as ``float32``.
    kind : {"input", "constant", "op"}
        Where the value comes from.
    axes : Axes
        The meaning of its axes.
    """

    id: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: str
    axes: Axes = Axes()

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return 1 if self.dtype == "bool" else np.dtype(self.dtype).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return prod(self.shape) * self.itemsize


@dataclass(frozen=True, slots=True)
class Op:
    """One operator call.

    Parameters
    ----------
    id : int
        Index into ``Graph.ops``.
    name : str
        Unique, readable name, such as ``conv2d_12``.
    kind : str
        Relay operator name, such as ``nn.conv2d``.
    attrs : mapping
        Attributes as plain Python values.
    inputs, outputs : tuple of int
        Tensor ids; tuple arguments are flattened.
    in_shapes, out_shapes : tuple of shapes
        Shapes of the whole inputs and outputs.
    dtype : str
        Dtype of the first output.
    """

    id: int
    name: str
    kind: str
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    in_shapes: tuple[tuple[int, ...], ...]
    out_shapes: tuple[tuple[int, ...], ...]
    dtype: str = "float32"

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return self.out_shapes[0]


@dataclass(frozen=True, slots=True)
class Layer:
    """An anchor operator with the pointwise operators fused behind it.

    ``outputs`` are the tensors visible to other layers or to the caller.

    Parameters
    ----------
    id : int
        Its place in the graph's layers.
    name : str
        The anchor's.
    anchor : int
        Id of the operator that decides how it is cut.
    ops : tuple of int
        Ids of all its operators, the anchor among them.
    outputs : tuple of int
        Ids of tensors.
    """

    id: int
    name: str
    anchor: int
    ops: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Operators in topological order, their tensors, and the layers they form.

    Parameters
    ----------
    tensors : tuple of Tensor
        By id: inputs, constants and what operators give.
    ops : tuple of Op
        By id, each after those whose results it reads.
    inputs, outputs : tuple of int
        Ids of tensors, in the model's order.
    layers : tuple of Layer
        Empty before `fuse_layers`.
    producer : mapping
        Tensor -> the operator that gives it.
    consumers : mapping
        Tensor -> the operators that read it.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    layers: tuple[Layer, ...] = ()
    producer: Mapping[int, int] = field(default_factory=dict[int, int])
    consumers: Mapping[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])

    @staticmethod
    def make(
        tensors: tuple[Tensor, ...],
        ops: tuple[Op, ...],
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        layers: tuple[Layer, ...] = (),
    ) -> Graph:
        """Build a graph with its producer and consumer tables.

        Parameters
        ----------
        tensors, ops, inputs, outputs, layers
            As of `Graph`.

        Returns
        -------
        graph : Graph
            With both tables.

        Raises
        ------
        ValueError
            If operators are not in topological order.
        """
        producer: dict[int, int] = {}
        consumers: dict[int, list[int]] = {}
        ready = {t.id for t in tensors if t.kind != "op"}
        for op in ops:
            for tensor in op.inputs:
                if tensor not in ready:
                    raise ValueError(f"{op.name} uses {tensors[tensor].name} before it is computed")
                consumers.setdefault(tensor, []).append(op.id)
            for tensor in op.outputs:
                producer[tensor] = op.id
                ready.add(tensor)
        frozen = {t: tuple(dict.fromkeys(users)) for t, users in consumers.items()}
        return Graph(tensors, ops, inputs, outputs, layers, producer, frozen)

    def users(self, tensor: int) -> tuple[int, ...]:
        """The ids of the operators that read a tensor.

        Parameters
        ----------
        tensor : int
            Its id.
        """
        return self.consumers.get(tensor, ())
