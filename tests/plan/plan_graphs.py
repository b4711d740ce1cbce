# SPDX-License-Identifier: Apache-2.0
"""Small layer graphs for planner tests, made by hand or at random."""

from __future__ import annotations

from math import prod

from flexpie_tvm.graph import Axes, Graph, Op, Tensor, fuse_layers
from flexpie_tvm.rules import default_axes, rule_for


class Builder:
    """Adds operators one by one and infers their shapes."""

    def __init__(self):
        self.tensors, self.ops, self.inputs = [], [], []

    def tensor(self, shape, kind, name, axes: Axes | None = None, dtype="float32"):
        axes = axes or default_axes(shape)
        self.tensors.append(Tensor(len(self.tensors), name, tuple(shape), dtype, kind, axes))
        return len(self.tensors) - 1

    def input(self, *shape):
        self.inputs.append(self.tensor(shape, "input", f"input_{len(self.inputs)}"))
        return self.inputs[-1]

    def shape(self, tensor):
        return self.tensors[tensor].shape

    def op(self, kind, inputs, shapes, attrs=None):
        number = len(self.ops)
        name = f"{kind.rsplit('.', 1)[-1]}_{number}"
        outputs = tuple(
            self.tensor(s, "op", name if len(shapes) == 1 else f"{name}.{k}")
            for k, s in enumerate(shapes)
        )
        op = Op(
            number, name, kind, attrs or {}, tuple(inputs), outputs,
            tuple(self.shape(t) for t in inputs), tuple(tuple(s) for s in shapes),
        )
        axes = rule_for(op).axes(op, [self.tensors[t].axes for t in inputs])
        if len(outputs) == 1:
            old = self.tensors[outputs[0]]
            self.tensors[old.id] = Tensor(old.id, name, old.shape, old.dtype, "op", axes)
        self.ops.append(op)
        return outputs[0] if len(outputs) == 1 else outputs

    def conv(self, x, channels, kernel=3, stride=1, padding=None, groups=1):
        n, c, h, w = self.shape(x)
        padding = kernel // 2 if padding is None else padding
        weight = self.tensor((channels, c // groups, kernel, kernel), "constant",
                             f"weight_{len(self.ops)}")
        out = [(size + 2 * padding - kernel) // stride + 1 for size in (h, w)]
        attrs = {
            "strides": (stride, stride), "dilation": (1, 1), "padding": (padding,) * 4,
            "groups": groups, "channels": channels, "kernel_size": (kernel, kernel),
            "data_layout": "NCHW", "kernel_layout": "OIHW", "out_layout": "",
        }
        return self.op("nn.conv2d", (x, weight), [(n, channels, *out)], attrs)

    def relu(self, x):
        return self.op("nn.relu", (x,), [self.shape(x)])

    def add(self, x, y):
        return self.op("add", (x, y), [self.shape(x)])

    def concat(self, parts):
        n, _, h, w = self.shape(parts[0])
        channels = sum(self.shape(p)[1] for p in parts)
        return self.op("concatenate", parts, [(n, channels, h, w)], {"axis": 1})

    def pool(self, x, kernel=2):
        n, c, h, w = self.shape(x)
        attrs = {
            "pool_size": (kernel, kernel), "strides": (kernel, kernel), "dilation": (1, 1),
            "padding": (0, 0, 0, 0), "layout": "NCHW", "ceil_mode": False,
        }
        return self.op("nn.max_pool2d", (x,), [(n, c, h // kernel, w // kernel)], attrs)

    def global_pool(self, x):
        n, c, _, _ = self.shape(x)
        return self.op("nn.global_avg_pool2d", (x,), [(n, c, 1, 1)], {"layout": "NCHW"})

    def dense(self, x, units):
        rows, depth = self.shape(x)
        weight = self.tensor((units, depth), "constant", f"weight_{len(self.ops)}")
        return self.op("nn.dense", (x, weight), [(rows, units)], {"units": units})

    def flatten(self, x):
        n, *rest = self.shape(x)
        return self.op("nn.batch_flatten", (x,), [(n, prod(rest))])

    def mean(self, x, axes=(2, 3), kind="mean"):
        shape = tuple(1 if k in axes else size for k, size in enumerate(self.shape(x)))
        return self.op(kind, (x,), [shape], {"axis": axes, "keepdims": True, "exclude": False})

    def product(self, x, y):
        """``x`` times the transposed ``y``, per batch."""
        (batch, rows, _), columns = self.shape(x), self.shape(y)[1]
        attrs = {"transpose_a": False, "transpose_b": True}
        return self.op("nn.batch_matmul", (x, y), [(batch, rows, columns)], attrs)

    def halves(self, x):
        """An operator without a rule and with two results."""
        n, c, h, w = self.shape(x)
        return self.op("custom.halves", (x,), [(n, c // 2, h, w)] * 2)

    def graph(self, *outputs):
        made = Graph.make(tuple(self.tensors), tuple(self.ops), tuple(self.inputs), outputs)
        return fuse_layers(made, lambda op: rule_for(op).pointwise)


def chain(layers=4, channels=8, size=16):
    b = Builder()
    x = b.input(1, 3, size, size)
    for _ in range(layers):
        x = b.relu(b.conv(x, channels))
    return b.graph(x)


def random_graph(rng):
    """A chain, residual, branching or many-output network of two to four layers."""
    b = Builder()
    size = rng.choice([4, 5, 6, 8])
    channels = rng.choice([2, 3, 4])
    x = b.input(1, channels, size, rng.choice([4, 6, size]))
    makers = [_plain, _plain, _residual, _concat, _two_results, _slices]
    return rng.choice(makers)(b, x, rng)


def _some(b, x, rng):
    channels = b.shape(x)[1]
    small = min(b.shape(x)[2:]) < 3
    kind = rng.choice(["conv3", "conv1", "depthwise", "stride", "pool", "relu", "narrow"])
    if kind in ("pool", "stride", "narrow") and small:
        kind = "conv3"
    return {
        "conv3": lambda: b.relu(b.conv(x, rng.choice([2, 4, channels]))),
        "conv1": lambda: b.conv(x, rng.choice([2, 4, 5]), 1),
        "depthwise": lambda: b.relu(b.conv(x, channels, groups=channels)),
        "stride": lambda: b.conv(x, channels, rng.choice([1, 3]), 2),
        "pool": lambda: b.pool(x),
        "relu": lambda: b.relu(x),
        "narrow": lambda: b.conv(x, channels, 3, 1, 0),
    }[kind]()


def _plain(b, x, rng):
    for _ in range(rng.choice([2, 3, 3, 4])):
        x = _some(b, x, rng)
    if rng.random() < 0.2:
        x = b.global_pool(x)
    return b.graph(x)


def _residual(b, x, rng):
    if rng.random() < 0.5:
        x = _some(b, x, rng)
    y = b.relu(b.conv(x, b.shape(x)[1]))
    y = b.conv(y, b.shape(x)[1], rng.choice([1, 3]))
    y = b.add(y, x)
    return b.graph(b.relu(y) if rng.random() < 0.5 else y)


def _concat(b, x, rng):
    one = b.conv(x, 2, rng.choice([1, 3]))
    two = b.conv(x, rng.choice([2, 3]), 3)
    y = b.concat((one, two))
    return b.graph(b.conv(y, 2, 1) if rng.random() < 0.5 else y)


def _two_results(b, x, rng):
    y = b.conv(x, 4)
    if rng.random() < 0.5:
        return b.graph(y, b.conv(y, 2, rng.choice([1, 3])))
    first, second = b.halves(y)
    if rng.random() < 0.5:
        return b.graph(b.conv(first, 2), second)
    return b.graph(b.add(first, b.conv(second, 2)))


def _slices(b, x, rng):
    """Two readers, one of which looks at every second row only."""
    y = b.conv(x, 3)
    one = b.conv(y, 2, 1, 2)
    if rng.random() < 0.5:
        return b.graph(one, b.conv(y, 2, 3))
    return b.graph(b.conv(one, 2, 3))


def random_reduction(rng):
    """A network of two to four layers, some of which can make partial results."""
    b = Builder()
    x = b.input(1, rng.choice([2, 3, 4]), rng.choice([3, 4, 6]), rng.choice([4, 5]))
    return rng.choice([_pooled, _excited, _perceptron, _attention, _convolutions])(b, x, rng)


def _reduced(b, x, rng):
    return rng.choice([
        b.global_pool, b.mean, lambda y: b.mean(y, (2,), "max"), lambda y: b.mean(y, (1, 3), "sum"),
    ])(x)


def _maybe(f, x, rng):
    return f(x) if rng.random() < 0.5 else x


def _pooled(b, x, rng):
    x = _maybe(b.relu, _some(b, x, rng), rng)
    x = _maybe(b.relu, _reduced(b, x, rng), rng)
    if rng.random() < 0.5:
        x = _maybe(b.relu, b.conv(x, rng.choice([2, 4]), 1), rng)
    return b.graph(x)


def _excited(b, x, rng):
    """A map that is scaled by what its own mean says (squeeze and excite)."""
    x = _maybe(lambda y: _some(b, y, rng), x, rng)
    scale = b.conv(_maybe(b.relu, b.global_pool(x), rng), b.shape(x)[1], 1)
    return b.graph(b.op("multiply", (x, scale), [b.shape(x)]))


def _perceptron(b, x, rng):
    x = _maybe(b.relu, b.dense(b.flatten(_maybe(b.relu, x, rng)), rng.choice([3, 4])), rng)
    x = b.dense(x, rng.choice([2, 5]))
    return b.graph(_maybe(b.relu, x, rng))


def _attention(b, x, rng):
    heads = rng.choice([1, 2])
    x, y = b.input(heads, 4, 6), b.input(heads, 3, 6)
    z = _maybe(b.relu, b.product(_maybe(b.relu, x, rng), y), rng)
    return b.graph(_maybe(b.relu, b.product(z, b.input(heads, 2, 3)), rng))


def _convolutions(b, x, rng):
    short = b.conv(x, 3, 1)
    y = _maybe(b.relu, b.conv(short, rng.choice([2, 4]), 3), rng)
    y = b.conv(y, 3, rng.choice([1, 3]))
    if rng.random() < 0.5:
        y = b.add(y, short)
    return b.graph(_maybe(b.relu, y, rng))
