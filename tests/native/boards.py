# SPDX-License-Identifier: Apache-2.0
"""A cluster of boards in one process, each on a thread of its own.

tensor exchange   one exchange as seen from above: which box of a tensor each board holds (ins) and
                  which it needs (outs), None for nothing. Boxes are lists of [start, stop).
table             what one board is told of it
"""

import itertools
import json
import re
import threading
import uuid
from dataclasses import dataclass

import numpy as np
import tvm

from flexpie_tvm.graph import Region
from flexpie_tvm.plan import Exchange, Message, Routes
from flexpie_tvm.runtime.tables import link_entries

TOKEN = "00112233445566778899aabbccddeeff"
# No test waits this long unless it hangs, which is what the limit is for.
JOIN_SECONDS = 60
_group_numbers = itertools.count()


@dataclass
class TensorExchange:
    ins: list
    outs: list
    dtype: str = "float32"
    combine: str = "copy"
    name: str = "tensor"
    layer: str = "layer"


def slices(box, origin=None):
    """The numpy index of a box, in a tensor or in an array that holds the box origin of it."""
    starts = [0] * len(box) if origin is None else [start for start, _ in origin]
    return tuple(
        slice(start - at, stop - at) for (start, stop), at in zip(box, starts, strict=True)
    )


def shape_of(box):
    return tuple(stop - start for start, stop in box)


def intersect(a, b):
    """The common box, None if there is none."""
    if a is None or b is None:
        return None
    box = [[max(p[0], q[0]), min(p[1], q[1])] for p, q in zip(a, b, strict=True)]
    return box if all(start < stop for start, stop in box) else None


def table(rank, boards, exchanges, topology="mesh"):
    """The table of one board, as plain data; with entries also where it does not take part."""
    return {
        "rank": rank,
        "boards": boards,
        "exchanges": [
            {
                "id": number,
                "name": e.name,
                "layer": e.layer,
                "dtype": e.dtype,
                "combine": e.combine,
                "in": e.ins[rank],
                "out": e.outs[rank],
                **links(rank, boards, number, e, topology),
            }
            for number, e in enumerate(exchanges)
        ],
    }


def links(rank, boards, number, e, topology):
    """The messages of an exchange that cross links of one board."""
    messages = [
        Message(source, target, Region(tuple(map(tuple, box))))
        for source, have in enumerate(e.ins)
        for target, want in enumerate(e.outs)
        if source != target and (box := intersect(have, want)) is not None
    ]
    whole = Exchange(number, 0, tuple(messages), e.combine)
    entries = link_entries(whole, Routes(topology, boards), np.dtype(e.dtype).itemsize, rank)
    # Backwards: nothing may depend on the order of messages in a table.
    return {name: found[::-1] for name, found in entries.items()}


def create_board(rank, boards, table_data, deadline_ms=20000):
    text = table_data if isinstance(table_data, str) else json.dumps(table_data)
    return tvm.get_global_func("flexpie.board_create")(rank, boards, text, deadline_ms)


def token():
    return tvm.nd.array(np.zeros(1, "int32"))


def run_exchange(rank, number, x=None, out_box=None, dtype="float32"):
    """Calls flexpie.exchange with numpy in and out; returns y, or None without out_box."""
    tensors = [] if x is None else [tvm.nd.array(x)]
    if out_box is not None:
        tensors.append(tvm.nd.empty(shape_of(out_box), dtype))
    tvm.get_global_func("flexpie.exchange")(rank, number, token(), token(), *tensors)
    return tensors[-1].numpy() if out_box is not None else None


def on_threads(*functions):
    """Runs functions at the same time; returns results, exceptions in place of them."""
    results = [None] * len(functions)

    def call(index, function):
        try:
            results[index] = function()
        except Exception as error:
            results[index] = error

    threads = [
        threading.Thread(target=call, args=item, daemon=True) for item in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_SECONDS)
        assert not thread.is_alive(), "a board hangs"
    return results


def raise_any(results):
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def flexpie_error(error):
    """The typed content and the sentence of an error, as the host reads them."""
    lines = [line for line in str(error).splitlines() if "FLEXPIE_ERROR " in line]
    assert lines, f"no FLEXPIE_ERROR line in: {error}"
    text = re.search(r"FLEXPIE_ERROR (.*)", lines[0]).group(1)
    content, end = json.JSONDecoder().raw_decode(text)
    return content, text[end:].strip()


class Cluster:
    """Connected boards; closes them at the end of a with block."""

    def __init__(self, transport, exchanges, boards, deadline_ms=20000, topology="mesh"):
        self.exchanges = exchanges
        self.boards = []
        try:
            for rank in range(boards):
                data = table(rank, boards, exchanges, topology)
                self.boards.append(create_board(rank, boards, data, deadline_ms))
            self._connect(transport)
        except BaseException:
            self.close()
            raise

    def _connect(self, transport):
        if transport == "local":
            group = f"group-{next(_group_numbers)}-{uuid.uuid4()}"
            for board in self.boards:
                board["connect_local"](group)
            return
        ports = [board["listen"]("127.0.0.1", 0) for board in self.boards]
        peers = json.dumps(
            [{"rank": rank, "host": "127.0.0.1", "port": port} for rank, port in enumerate(ports)]
        )
        raise_any(
            on_threads(*[lambda b=board: b["connect"](peers, TOKEN) for board in self.boards])
        )

    def on_boards(self, function):
        """function(rank) on every board's thread; results or exceptions."""
        return on_threads(*[lambda r=rank: function(r) for rank in range(len(self.boards))])

    def exchange(self, rank, number, x=None):
        e = self.exchanges[number]
        return run_exchange(rank, number, x, e.outs[rank], e.dtype)

    def stats(self, rank):
        return json.loads(self.boards[rank]["stats"]())

    def close(self):
        for board in self.boards:
            board["close"]()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
