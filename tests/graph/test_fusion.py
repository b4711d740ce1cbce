# SPDX-License-Identifier: Apache-2.0
"""Which operators form a layer."""

import pytest

from flexpie_tvm.graph import Graph, Op, Tensor, fuse_layers


class Net:
    """A graph by hand: all tensors are 4x4 unless a shape is given."""

    def __init__(self):
        self.tensors, self.ops, self.inputs = [], [], []

    def input(self):
        self.inputs.append(self._tensor("input", (4, 4)))
        return self.inputs[-1]

    def op(self, kind, *inputs, shape=(4, 4), outputs=1):
        made = tuple(self._tensor("op", shape) for _ in range(outputs))
        shapes = tuple(self.tensors[t].shape for t in inputs)
        name = f"{kind}{len(self.ops)}"
        self.ops.append(Op(len(self.ops), name, kind, {}, inputs, made, shapes, (shape,) * outputs))
        return made if outputs > 1 else made[0]

    def layers(self, *outputs):
        graph = Graph.make(tuple(self.tensors), tuple(self.ops), tuple(self.inputs), outputs)
        graph = fuse_layers(graph, lambda op: op.kind in ("relu", "add", "mul"))
        names = [op.name for op in graph.ops]
        return [(names[layer.anchor], [names[o] for o in layer.ops]) for layer in graph.layers]

    def _tensor(self, kind, shape):
        self.tensors.append(
            Tensor(len(self.tensors), f"t{len(self.tensors)}", shape, "float32", kind)
        )
        return len(self.tensors) - 1


def test_a_chain_of_pointwise_operators_joins_its_anchor():
    net = Net()
    y = net.op("add", net.op("relu", net.op("conv", net.input())))
    assert net.layers(y) == [("conv0", ["conv0", "relu1", "add2"])]


def test_a_residual_add_joins_the_branch_that_is_computed_last():
    net = Net()
    x = net.op("conv", net.input())
    y = net.op("conv", x)
    z = net.op("add", y, x)
    assert net.layers(z) == [("conv0", ["conv0"]), ("conv1", ["conv1", "add2"])]


def test_a_diamond_of_pointwise_operators_is_one_layer():
    """x * relu(x + c) reads x twice and still belongs to the layer of x."""
    net = Net()
    x = net.op("conv", net.input())
    y = net.op("mul", x, net.op("relu", net.op("add", x)))
    assert net.layers(y) == [("conv0", ["conv0", "add1", "relu2", "mul3"])]


def test_a_tensor_with_two_anchors_behind_it_ends_its_layer():
    net = Net()
    x = net.op("relu", net.op("conv", net.input()))
    a, b = net.op("conv", x), net.op("conv", x)
    got = net.layers(a, b)
    assert got == [("conv0", ["conv0", "relu1"]), ("conv2", ["conv2"]), ("conv3", ["conv3"])]


def test_a_model_output_in_the_middle_ends_its_layer():
    net = Net()
    x = net.op("conv", net.input())
    y = net.op("relu", x)
    assert net.layers(x, y) == [("conv0", ["conv0"]), ("relu1", ["relu1"])]


def test_operators_that_change_the_shape_do_not_join():
    net = Net()
    x = net.op("conv", net.input(), shape=(4, 1))
    y = net.op("add", x, net.input(), shape=(4, 4))
    assert net.layers(y) == [("conv0", ["conv0"]), ("add1", ["add1"])]


def test_pointwise_operators_on_an_input_form_a_layer():
    net = Net()
    y = net.op("relu", net.op("mul", net.input()))
    assert net.layers(y) == [("mul0", ["mul0", "relu1"])]


def test_operators_with_several_outputs_stand_alone():
    net = Net()
    a, b = net.op("split", net.input(), outputs=2)
    y = net.op("add", a, b)
    assert net.layers(y) == [("split0", ["split0"]), ("add1", ["add1"])]


def test_every_operator_is_in_exactly_one_layer():
    net = Net()
    x = net.op("conv", net.input())
    y = net.op("relu", x)
    z = net.op("add", net.op("pool", y), net.op("mul", y, x))
    members = [name for _, ops in net.layers(z) for name in ops]
    assert sorted(members) == sorted(op.name for op in net.ops)


def test_an_operator_before_its_operand_is_refused():
    net = Net()
    x = net.op("relu", net.op("conv", net.input()))
    with pytest.raises(ValueError, match="before it is computed"):
        Graph.make(tuple(net.tensors), tuple(reversed(net.ops)), (0,), (x,))
