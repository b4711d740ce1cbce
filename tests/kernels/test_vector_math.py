# SPDX-License-Identifier: Apache-2.0
"""exp, sigmoid, tanh and erf in vectors: nearly the true answers, for all arguments and graphs."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from scipy import special
from tvm import relay, te, tir
from tvm.contrib import graph_executor

from flexpie_tvm.codegen.build import build_boards
from flexpie_tvm.kernels.context import CONFIG, STOCK_CONFIG, build_context
from flexpie_tvm.kernels.target import keyed
from flexpie_tvm.relay.layout import with_layout

from .moving import ARM, UNKNOWN

WITHOUT_FMA = "llvm"
COUNT = 2**20
FUNCTIONS = {
    "exp": (np.exp, 1.5),
    "sigmoid": (special.expit, 3.5),
    "tanh": (np.tanh, 6.5),
    "erf": (special.erf, 7.0),
}
#: The least sigmoid of which 1 / (1 + e^-x) is not 0 yet, e^-x being finite.
LEAST_SIGMOID = 3e-39
SPECIAL = [0.0, np.inf, np.nan, 1e-45, 1e-38, 1e-4, 88.7, 88.73, 87.4, 103.9, 104.1, 1e4, 3e38]


def everywhere() -> np.ndarray:
    """float32 of all exponents, both signs, infinite and not a number; the usual ones densely."""
    bits = np.linspace(0, 2**32 - 1, COUNT // 2).astype("uint32")
    special_values = np.array([*SPECIAL, *np.negative(SPECIAL)], "float32")
    usual = np.linspace(-110, 110, COUNT // 4), np.linspace(-10, 10, COUNT // 4)
    values = np.concatenate([bits.view("float32"), *(x.astype("float32") for x in usual)])
    values[: len(special_values)] = special_values
    return values


def lowered(name: str, target: str, vectors: bool = True, dtype="float32", config=CONFIG):
    """A function of ``COUNT`` elements."""
    x = te.placeholder((COUNT,), dtype, name="x")
    y = te.compute((COUNT,), lambda i: getattr(te, name)(x[i]))
    schedule = te.create_schedule(y.op)
    _, lane = schedule[y].split(y.op.axis[0], 16)
    if vectors:
        schedule[y].vectorize(lane)
    with tvm.target.Target(target), tvm.transform.PassContext(3, config=config):
        return tvm.lower(schedule, [x, y])


def computed(name: str, target: str, values: np.ndarray, **how) -> np.ndarray:
    module = lowered(name, target, **how)
    with tvm.transform.PassContext(3, config=CONFIG):
        kernel = tvm.build(module, target=target)
    x, y = tvm.nd.array(values), tvm.nd.empty(values.shape)
    kernel(x, y)
    return y.numpy()


def called(module: tvm.IRModule) -> set[str]:
    calls = _nodes(module["main"].body, tir.Call)
    return {call.op.name for call in calls} & {f"tir.{name}" for name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("fused", [True, False])
def test_answers_are_within_a_few_units_of_the_last_place(name, fused, target):
    values = everywhere()
    found = computed(name, target if fused else WITHOUT_FMA, values)
    true, most = FUNCTIONS[name]
    with np.errstate(over="ignore", invalid="ignore"):
        expected = true(values.astype("float64"))
        nearest = expected.astype("float32")
        unit = np.spacing(np.abs(nearest))
        off = np.abs(found - expected) / unit
    if name == "sigmoid":
        assert np.all(found[nearest < LEAST_SIGMOID] <= LEAST_SIGMOID)
        off[nearest < LEAST_SIGMOID] = 0
    assert np.array_equal(np.isnan(found), np.isnan(values))
    same = (found == nearest) | np.isnan(values)
    assert np.isfinite(found[~same]).all()
    assert off[~same].max() <= most


@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_left_to_llvm_have_the_same_answers(name, target):
    values = everywhere()
    vectors = computed(name, target, values)
    np.testing.assert_array_equal(computed(name, target, values, vectors=False), vectors)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "erf"])
def test_limits_are_reached_and_kept(name, target):
    values = np.linspace(-120, 120, COUNT).astype("float32")
    found = computed(name, target, values)
    least = 0 if name == "sigmoid" else -1
    assert (found.min(), found.max()) == (found[0], found[-1]) == (least, 1)


@pytest.mark.parametrize("name", ["tanh", "erf"])
def test_odd_functions_are_odd(name, target):
    values = everywhere()
    mirrored = -computed(name, target, -values)
    found = computed(name, target, values)
    np.testing.assert_array_equal(found, mirrored)
    known = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(found)[known], np.signbit(values)[known])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("vectors", [True, False])
def test_no_call_is_left(name, vectors):
    assert not called(lowered(name, "llvm -mcpu=core-avx2", vectors))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vectors_are_made_of_vectors(name):
    """Rather than of a loop: TVM does not know that erf can be of a vector."""
    module = lowered(name, "llvm -mcpu=core-avx2")
    stores = _nodes(module["main"].body, tir.BufferStore)
    assert {tvm.DataType(store.value.dtype).lanes for store in stores} == {16}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_not_float32_in_known_vectors_stays(name):
    x86 = "llvm -mcpu=core-avx2"
    stay = {f"tir.{name}"}
    assert not called(lowered(name, ARM))
    assert called(lowered(name, UNKNOWN)) == stay
    assert called(lowered(name, x86, dtype="float64")) == stay
    assert called(lowered(name, x86, dtype="float16")) == stay
    assert called(lowered(name, x86, config=STOCK_CONFIG)) == stay
    assert called(lowered(name, "llvm", vectors=False)) == stay
    assert called(lowered(name, f"{x86} -fast-math")) == stay


def swish(x):
    return x * relay.sigmoid(x)


def gelu(x):
    half = relay.const(0.5)
    return x * (half + half * relay.erf(x * relay.const(2**-0.5)))


GRAPHS = {
    "swish": (swish, lambda x: x * special.expit(x)),
    "gelu": (gelu, lambda x: x * (0.5 + 0.5 * special.erf(x * 2**-0.5))),
    "tanh": (relay.tanh, np.tanh),
    "softmax": (lambda x: relay.nn.softmax(x, -1), lambda x: special.softmax(x, -1)),
    "softmax of channels": (lambda x: relay.nn.softmax(x, 1), lambda x: special.softmax(x, 1)),
    "log softmax": (lambda x: relay.nn.log_softmax(x, -1), lambda x: special.log_softmax(x, -1)),
    "sum along": (lambda x: relay.sum(relay.exp(x), -1), lambda x: np.exp(x).sum(-1)),
    "sum across": (lambda x: relay.sum(relay.exp(x), 1), lambda x: np.exp(x).sum(1)),
    "sum of all": (lambda x: relay.sum(relay.exp(x)), lambda x: np.exp(x).sum()),
    "nested": (
        lambda x: relay.tanh(relay.exp(relay.erf(swish(gelu(relay.sigmoid(relay.tanh(x))))))),
        lambda x: np.tanh(np.exp(special.erf(_nested(special.expit(np.tanh(x)))))),
    ),
    "padded": (
        lambda x: relay.sigmoid(relay.nn.pad(relay.erf(x), ((0, 0),) * 3 + ((2, 1),))),
        lambda x: special.expit(np.pad(special.erf(x), ((0, 0),) * 3 + ((2, 1),))),
    ),
    "joined": (
        lambda x: relay.exp(relay.concatenate([relay.erf(x), x], 3)),
        lambda x: np.exp(np.concatenate([special.erf(x), x], 3)),
    ),
    "chosen": (
        lambda x: relay.where(x > relay.const(0.0), relay.tanh(x), relay.exp(x)),
        lambda x: np.where(x > 0, np.tanh(x), np.exp(x)),
    ),
}


def _nested(x: np.ndarray) -> np.ndarray:
    x = x * (0.5 + 0.5 * special.erf(x * 2**-0.5))
    return x * special.expit(x)


@pytest.mark.parametrize("shape", [(1, 24, 19, 37), (2, 3, 5, 16), (1, 7, 1, 1), (1, 1, 3, 129)])
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_have_the_answers_of_numpy(name, shape, target):
    data = np.random.default_rng(sum(shape)).normal(size=shape).astype("float32") * 2
    ours, numpys = GRAPHS[name]
    for kind in (target, WITHOUT_FMA):
        expected = numpys(data.astype("float64"))
        np.testing.assert_allclose(_run(ours, data, kind), expected, rtol=3e-6, atol=1e-6)


def test_no_element_beyond_a_tensor_is_read():
    x = te.placeholder((37,), name="x")
    y = te.compute((48,), lambda i: tir.if_then_else(i < 37, te.exp(x[i]), te.erf(i * 0.1)))
    with tvm.target.Target("llvm -mcpu=core-avx2"), tvm.transform.PassContext(3, config=CONFIG):
        module = tvm.lower(te.create_schedule(y.op), [x, y])
    (branch,) = _nodes(module["main"].body, tir.IfThenElse)
    everywhere = [load for load in _nodes(module["main"].body, tir.BufferLoad) if _of(load, "x")]
    guarded = [load for load in _nodes(branch.then_case, tir.BufferLoad) if _of(load, "x")]
    assert len(everywhere) == len(guarded) == 1
    assert not called(module)


def test_truth_values_that_are_chosen_are_computed(target):
    x = te.placeholder((37,), name="x")

    def asked(i):
        within = tir.if_then_else(i < 37, te.exp(x[i]) > 1.0, tir.const(False, "bool"))
        return tir.Select(within, tir.const(1.0), tir.const(0.0))

    y = te.compute((48,), asked)
    with tvm.target.Target(target), tvm.transform.PassContext(3, config=CONFIG):
        kernel = tvm.build(te.create_schedule(y.op), [x, y], target)
    values = np.random.default_rng(0).normal(size=37).astype("float32")
    found = tvm.nd.empty((48,))
    kernel(tvm.nd.array(values), found)
    np.testing.assert_array_equal(found.numpy(), [*(values > 0), *[False] * 11])


def _nodes(body: tir.Stmt, kind: type) -> list:
    found = []
    tir.stmt_functor.post_order_visit(
        body, lambda node: found.append(node) if isinstance(node, kind) else None
    )
    return found


def _of(load: tir.BufferLoad, name: str) -> bool:
    return load.buffer.name == name


def _run(function, data: np.ndarray, target: str) -> np.ndarray:
    x = relay.var("x", shape=data.shape)
    module = tvm.IRModule.from_expr(relay.Function([x], function(x)))
    with build_context(laid_out=True):
        library = relay.build(module, keyed(target))
    graph = graph_executor.GraphModule(library["default"](tvm.cpu()))
    graph.set_input("x", data)
    graph.run()
    return graph.get_output(0).numpy()


@pytest.mark.parametrize("columns", [1000, 1004])
def test_products_with_a_shorter_last_vector_are_built(columns, target, tmp_path):
    """Padded products end in a vector of other lanes than those before."""
    rng = np.random.default_rng(0)
    data, bias = relay.var("x", shape=(3, 20)), relay.var("b", shape=(1, columns))
    weight = relay.const(rng.standard_normal((columns, 20)).astype("float32"))
    product = relay.nn.dense(data, weight, units=columns) + bias
    body = relay.Tuple([product * relay.sigmoid(product)])
    mod = relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([data, bias], body)))
    mod = with_layout(mod, "NCHW")
    (path,) = build_boards([mod], [tvm.target.Target(target)], tmp_path, [None])
    module = graph_executor.GraphModule(tvm.runtime.load_module(str(path))["default"](tvm.cpu()))
    x, b = (rng.standard_normal(shape).astype("float32") for shape in ((3, 20), (1, columns)))
    for k, value in enumerate((x, b)):
        module.set_input(f"input{k}", value)
    module.run()
    expected = x @ weight.data.numpy().T + b
    expected = expected * special.expit(expected)
    np.testing.assert_allclose(module.get_output(0).numpy(), expected, rtol=1e-4, atol=1e-4)
