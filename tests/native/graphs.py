# SPDX-License-Identifier: Apache-2.0
"""Graph executors of one compiled te.extern function that calls flexpie.exchange.

The graph JSON is written by hand: what relay.build would make of such a function, in no time.
"""

import json

import tvm
from tvm import te
from tvm.contrib import graph_executor


def exchange_library(rank, x_shape, y_shape, packed_name="flexpie.exchange", number=0):
    """A function "call" (token, x) -> (token, y) that performs one exchange."""
    token_in = te.placeholder((1,), "int32", name="token")
    x = te.placeholder(x_shape, "float32", name="x")
    outputs = te.extern(
        [(1,), y_shape],
        [token_in, x],
        lambda ins, outs: tvm.tir.call_packed(
            packed_name, rank, number, ins[0], outs[0], ins[1], outs[1]
        ),
        dtype=["int32", "float32"],
        name="exchange",
    )
    schedule = te.create_schedule([output.op for output in outputs])
    with tvm.transform.PassContext(config={"tir.disable_cse_tir": True}):
        return tvm.build(schedule, [token_in, x, *outputs], target="llvm", name="call")


def exchange_graph_json(x_shape, y_shape):
    call = {"func_name": "call", "flatten_data": "0", "num_inputs": "2", "num_outputs": "2"}
    return json.dumps(
        {
            "nodes": [
                {"op": "null", "name": "token", "inputs": []},
                {"op": "null", "name": "x", "inputs": []},
                {"op": "tvm_op", "name": "call", "attrs": call, "inputs": [[0, 0, 0], [1, 0, 0]]},
            ],
            "arg_nodes": [0, 1],
            "heads": [[2, 1, 0], [2, 0, 0]],
            "node_row_ptr": [0, 1, 2, 4],
            "attrs": {
                "dltype": ["list_str", ["int32", "float32", "int32", "float32"]],
                "shape": ["list_shape", [[1], list(x_shape), [1], list(y_shape)]],
                "storage_id": ["list_int", [0, 1, 2, 3]],
            },
        }
    )


def exchange_graph(rank, x_shape, y_shape, packed_name="flexpie.exchange"):
    """A graph executor in this process: input "x", output 0 is y, output 1 the token."""
    library = exchange_library(rank, x_shape, y_shape, packed_name)
    return graph_executor.create(exchange_graph_json(x_shape, y_shape), library, tvm.cpu())
