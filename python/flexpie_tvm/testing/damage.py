# SPDX-License-Identifier: Apache-2.0
"""Damage of files: what a disk, a careless editor or somebody who means it may do to them.

Everything is drawn from a random generator, so that a seed repeats it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx

#: What an entry of plain data may become.
ODD = (
    None, True, False, 0, -1, 1, 2, 255, 256, 1 << 31, 1 << 63, 10**30, 10**400, -(10**400),
    0.5, -0.0, 1e308, float("inf"), float("-inf"), float("nan"), "", "x", "../../etc/passwd", "InH",
    "\x00", "9" * 500, "é" * 50, "1e999", [], {}, [[]], [None], {"": {}}, [0] * 1000,
)  # fmt: skip
#: Numbers, times and sizes that stand in texts.
ODD_NUMBERS = (
    "0", "-1", "1e999", "inf", "nan", "1000000", "9" * 400, "0x10", "true", '""', '"9999999999GB"',
    '"1ms"', "[]", "{}", "[[1]]", "1.5", "-0", f'"{"9" * 400}GB"', "2024-01-01",
)  # fmt: skip
DEPTH = 100_000


def damaged_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits flipped; or a piece lost, put in, written twice, zeroed or cut off."""
    data, kind = bytearray(data), rng.integers(6)
    at = int(rng.integers(len(data)))
    size = int(rng.integers(1, 1 + min(64, len(data) - at)))
    if kind == 0:
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + size]
    elif kind == 3:
        data[at:at] = rng.bytes(size)
    elif kind == 4:
        data[at:at] = data[at : at + size]
    else:
        data[at : at + size] = bytes(size)
    return bytes(data)


def damaged_tree(tree: Any, rng: np.random.Generator) -> Any:
    """Plain data in which one to three entries are lost, swapped, repeated, odd or very deep."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 4)):
        places = list(_places(tree))
        if not places:
            break
        holder, key = places[rng.integers(len(places))]
        _damage_entry(places, holder, key, rng)
    return tree


def _damage_entry(places: list, holder: Any, key: Any, rng: np.random.Generator) -> None:
    kind = rng.integers(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, at = places[rng.integers(len(places))]
        holder[key], other[at] = copy.deepcopy(other[at]), copy.deepcopy(holder[key])
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 3 and isinstance(holder[key], int | float):
        holder[key] = holder[key] + int(rng.integers(-2, 3))
    else:
        holder[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of plain data: what holds it, and its key there."""
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def damaged_json(
    data: bytes, rng: np.random.Generator, mend: Callable[[Any], Any] = lambda tree: tree
) -> bytes:
    """A JSON file with damage; ``mend`` makes checksums in it right again where it is a tree's."""
    kind = rng.integers(10)
    if kind == 0:
        return b"[" * DEPTH if rng.integers(2) else b'{"a":' * DEPTH
    if kind < 4:
        return damaged_bytes(data, rng)
    return json.dumps(mend(damaged_tree(json.loads(data), rng))).encode()


def damaged_toml(data: bytes, rng: np.random.Generator) -> bytes:
    """A TOML file with damage: values that make no sense, lines lost, swapped, written twice."""
    kind = rng.integers(8)
    if kind == 0:
        return b"a = " + b"[" * DEPTH
    if kind < 3:
        return damaged_bytes(data, rng)
    lines = data.decode().splitlines()
    at, other = rng.integers(len(lines), size=2)
    if kind == 3:
        del lines[at]
    elif kind == 4:
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 5:
        lines.insert(other, lines[at])
    else:
        odd = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
        lines[at] = re.sub(r"(= ).*", lambda found: found[1] + odd, lines[at])
    return "\n".join(lines).encode()


def damaged_onnx(data: bytes, rng: np.random.Generator) -> bytes:
    """An ONNX file with damage: of its bytes, or of nodes, attributes, shapes, weights, names."""
    if rng.integers(3) == 0:
        return damaged_bytes(data, rng)
    model = onnx.ModelProto.FromString(data)
    for _ in range(rng.integers(1, 3)):
        _ONNX_DAMAGE[rng.integers(len(_ONNX_DAMAGE))](model.graph, rng)
    return model.SerializeToString()


def _any(values: Any, rng: np.random.Generator) -> Any:
    return values[rng.integers(len(values))] if len(values) else None


def _node(graph: onnx.GraphProto, rng: np.random.Generator) -> None:
    node, other = _any(graph.node, rng), _any(graph.node, rng)
    if node is None:
        return
    kind = rng.integers(5)
    if kind == 0:
        node.op_type = ("", "Conv", "NoSuchOperator", "Reshape", other.op_type)[rng.integers(5)]
    elif kind == 1 and node.input:
        node.input[rng.integers(len(node.input))] = _any([*other.output, "", "nowhere"], rng)
    elif kind == 2 and node.output:
        node.output[0] = _any([*other.output, ""], rng)
    elif kind == 3:
        graph.node.remove(node)
    else:
        graph.node.append(node)


def _attribute(graph: onnx.GraphProto, rng: np.random.Generator) -> None:
    attributes = [a for node in graph.node for a in node.attribute]
    if not attributes:
        return
    attribute = _any(attributes, rng)
    odd = (0, -1, 7, 1 << 20, (1 << 62), -(1 << 62))[rng.integers(6)]
    if attribute.ints and rng.integers(3):
        attribute.ints[rng.integers(len(attribute.ints))] = odd
    elif attribute.ints:
        del attribute.ints[-1]
    else:
        attribute.i = odd
    if not rng.integers(6):
        attribute.type = onnx.AttributeProto.STRING


def _weight(graph: onnx.GraphProto, rng: np.random.Generator) -> None:
    weight = _any(graph.initializer, rng)
    if weight is None:
        return
    kind = rng.integers(5)
    if kind == 0 and weight.dims:
        weight.dims[rng.integers(len(weight.dims))] = (0, -1, 1, 1 << 40)[rng.integers(4)]
    elif kind == 1:
        weight.raw_data = weight.raw_data[: rng.integers(1 + len(weight.raw_data))]
    elif kind == 2:
        weight.data_type = int(rng.integers(0, 25))
    elif kind == 3:
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../../../../etc/passwd")
    else:
        weight.name = "nobody"


def _port(graph: onnx.GraphProto, rng: np.random.Generator) -> None:
    port = _any([*graph.input, *graph.output], rng)
    if port is None:
        return
    dims = port.type.tensor_type.shape.dim
    kind = rng.integers(4)
    if kind == 0 and len(dims):
        _any(dims, rng).dim_value = (0, -1, 1, 3, 1 << 40)[rng.integers(5)]
    elif kind == 1 and len(dims):
        del dims[-1]
    elif kind == 2:
        port.type.tensor_type.elem_type = int(rng.integers(0, 25))
    else:
        port.name = ("", "nobody")[rng.integers(2)]


_ONNX_DAMAGE: tuple[Callable[[onnx.GraphProto, np.random.Generator], None], ...] = (
    _node, _attribute, _weight, _port,
)  # fmt: skip
