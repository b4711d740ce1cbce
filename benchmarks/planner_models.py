# SPDX-License-Identifier: Apache-2.0
"""Layer graphs of the networks that planner benchmarks look at, kept as pickles.

Importers are slow; a graph is small. Give a folder to keep them in, or import them each time.
"""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

ARM = "llvm -mtriple=aarch64-linux-gnu -mcpu=cortex-a72 -keys=arm_cpu,cpu"
NAMES = (
    "mobilenet", "resnet18", "resnet101", "bert", "inception_v3", "densenet121", "ppocr_det",
)


def model_graph(name: str, cache: Path | None = None, target: str = ARM):
    """The layer graph of a network after pre-optimization for a target."""
    path = cache / f"{name}.pickle" if cache else None
    if path and path.is_file():
        return pickle.loads(path.read_bytes())
    from flexpie_tvm.relay import FlexPiePreOptimize
    from flexpie_tvm.relay.importer import import_module

    graph = import_module(FlexPiePreOptimize(target)(_module(name))).graph
    if path:
        cache.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(graph))
    return graph


def _module(name: str):
    import tvm
    from tvm import relay
    from tvm.relay.build_module import bind_params_by_name

    if name == "bert":
        return bert_encoder()
    if name == "ppocr_det":
        from flexpie_tvm.relay.onnx_model import load_onnx

        spec = find_spec("rapidocr_onnxruntime")
        if spec is None:
            raise SystemExit("ppocr_det needs the package rapidocr-onnxruntime")
        path = Path(spec.origin).parent / "models" / "ch_PP-OCRv4_det_infer.onnx"
        return load_onnx(path, {"x": (1, 3, 640, 640)})
    makers = {
        "mobilenet": relay.testing.mobilenet.get_workload,
        "resnet18": lambda: relay.testing.resnet.get_workload(num_layers=18),
        "resnet101": lambda: relay.testing.resnet.get_workload(num_layers=101),
        "inception_v3": relay.testing.inception_v3.get_workload,
        "densenet121": lambda: relay.testing.densenet.get_workload(densenet_size=121),
    }
    mod, params = makers[name]()
    main = bind_params_by_name(mod["main"], params)
    return relay.transform.InferType()(tvm.IRModule.from_expr(main))


def bert_encoder(layers: int = 12, hidden: int = 768, heads: int = 12, tokens: int = 128):
    """A BERT encoder with random weights, over embedded tokens."""
    import numpy as np
    from tvm import IRModule, relay

    rng = np.random.default_rng(0)

    def weight(*shape):
        return relay.const(rng.normal(0, 0.02, shape).astype("float32"))

    def dense(x, units, depth):
        return relay.nn.bias_add(relay.nn.dense(x, weight(units, depth)), weight(units))

    def norm(x):
        return relay.nn.layer_norm(x, weight(hidden), weight(hidden))

    def split_heads(x):
        return relay.transpose(relay.reshape(x, (tokens, heads, hidden // heads)), (1, 0, 2))

    def gelu(x):
        half = relay.const(np.float32(0.5))
        root = relay.const(np.float32(2**-0.5))
        one = relay.const(np.float32(1))
        return x * half * (relay.erf(x * root) + one)

    x = data = relay.var("embedded", shape=(tokens, hidden))
    scale = relay.const(np.float32((hidden // heads) ** -0.5))
    for _ in range(layers):
        query, key, value = (split_heads(dense(x, hidden, hidden)) for _ in range(3))
        scores = relay.nn.batch_matmul(query, key, transpose_a=False, transpose_b=True)
        mixed = relay.nn.batch_matmul(
            relay.nn.softmax(scores * scale), value, transpose_a=False, transpose_b=False
        )
        joined = relay.reshape(relay.transpose(mixed, (1, 0, 2)), (tokens, hidden))
        x = norm(x + dense(joined, hidden, hidden))
        x = norm(x + dense(gelu(dense(x, 4 * hidden, hidden)), hidden, 4 * hidden))
    return relay.transform.InferType()(IRModule.from_expr(relay.Function([data], x)))
