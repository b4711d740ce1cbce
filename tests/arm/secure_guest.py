# SPDX-License-Identifier: Apache-2.0
"""Board 0 of two on an emulated processor: connects, exchanges once, writes what it has then.

    python secure_guest.py RUNTIME < JSON

It runs there with TVM's runtime and numpy alone.
"""

import json
import sys

import numpy as np
import tvm


def main() -> None:
    """Be that board."""
    tvm.runtime.load_module(sys.argv[1])
    task = json.loads(sys.stdin.readline())
    board = tvm.get_global_func("flexpie.board_create")(0, 2, task["table"], 120_000)
    port = board["listen"]("127.0.0.1", 0)
    print(json.dumps({"port": port}), flush=True)
    board["connect"](json.dumps([{"rank": r, "host": "127.0.0.1", "port": port} for r in range(2)]),
                     task["token"])  # fmt: skip
    x, y = tvm.nd.array(np.load(task["x"])), tvm.nd.empty(task["shape"], "float32")
    token = tvm.nd.array(np.zeros(1, "int32"))
    tvm.get_global_func("flexpie.exchange")(0, 0, token, token, x, y)
    np.save(task["y"], y.numpy())
    board["close"]()


if __name__ == "__main__":
    main()
