# SPDX-License-Identifier: Apache-2.0
"""All boards in one process: the executable meaning of a plan.

No sockets, no native runtime, no build per board: the boards' Relay functions are interpreted
in turn, each until it needs a slice that nobody has sent yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tvm

from ..errors import FlexPieError, InputError
from ..plan import Exchange, Plan
from ..relay import FlexPiePartition, Lowered, exchange_op, lower
from .evaluate import Evaluator, Interpreter

Mail = dict[tuple[int, int, int], list[np.ndarray]]


class DeadlockError(FlexPieError):
    """Every board that is not finished waits for another one."""


def emulate(
    plan: Plan,
    module: tvm.IRModule,
    inputs: Mapping[str, np.ndarray],
    evaluator: Evaluator | None = None,
) -> list[np.ndarray]:
    """Run a module on as many boards as a plan has, without any board.

    Parameters
    ----------
    plan : Plan
        A plan for the module.
    module : tvm.IRModule
        The whole model: as imported, or what ``FlexPiePreOptimize`` made of it; the plan must
        be for this very form.
    inputs : mapping
        Name -> value of each input of the whole model.
    evaluator : Evaluator, optional
        Keeps compiled operators between calls.

    Returns
    -------
    outputs : list of numpy.ndarray
        The whole model's outputs, put together from the boards'.

    Raises
    ------
    PlanError
        If the plan is for another module.
    InputError
        If an input is missing or has another shape.
    DeadlockError
        If boards wait for each other.
    """
    return emulate_lowered(lower(FlexPiePartition(plan=plan)(module)), inputs, evaluator)


def emulate_lowered(
    lowered: Lowered, inputs: Mapping[str, np.ndarray], evaluator: Evaluator | None = None
) -> list[np.ndarray]:
    """Run all boards of a module that is cut already; otherwise as `emulate`.

    Parameters
    ----------
    lowered : Lowered
        What ``lower`` returned.
    inputs, evaluator
        As for `emulate`.

    Returns
    -------
    outputs : list of numpy.ndarray
        The whole model's, put together from the regions that boards own.

    Raises
    ------
    DeadlockError
        If boards wait for each other.
    """
    evaluator = evaluator or Evaluator()
    graph = lowered.imported.graph
    _check_inputs(graph, inputs)
    mail: Mail = {}
    boards = [_Board(lowered, rank, inputs, evaluator, mail) for rank in range(len(lowered.boards))]
    waiting = list(boards)
    while waiting:
        moved = [board.advance() for board in waiting]
        waiting = [board for board in waiting if not board.finished]
        if waiting and not any(moved):
            raise DeadlockError("; ".join(board.complaint() for board in waiting))
    return [_gather(lowered, tensor, k, boards, inputs) for k, tensor in enumerate(graph.outputs)]


def emulate_whole(
    mod: tvm.IRModule, inputs: Mapping[str, np.ndarray], evaluator: Evaluator | None = None
) -> list[np.ndarray]:
    """Run a whole module (annotated or not) with the evaluator that `emulate` uses.

    Parameters
    ----------
    mod : tvm.IRModule
        Of static shapes.
    inputs : mapping
        Input name -> array.
    evaluator : Evaluator, optional
        Computes operators, one at a time; by default a new one.

    Returns
    -------
    outputs : list of numpy.ndarray
        In the module's order.
    """
    mod = tvm.relay.transform.InferType()(mod)
    run = Interpreter(mod["main"], dict(inputs), evaluator or Evaluator())
    while run.current is not None:
        run.step()
    return run.result if isinstance(run.result, list) else [run.result]


class _Board:
    """One board: an interpreter that stops at exchanges."""

    def __init__(self, lowered: Lowered, rank: int, inputs, evaluator: Evaluator, mail: Mail):
        self._lowered, self._rank, self._mail = lowered, rank, mail
        self._geometry = lowered.geometry
        graph, main = lowered.imported.graph, lowered.boards[rank]["main"]
        token = np.zeros(exchange_op.TOKEN_SHAPE, exchange_op.TOKEN_DTYPE)
        mine: dict[str, np.ndarray] = {"flexpie_token": token}
        for tensor in graph.inputs:
            region = self._geometry.need[tensor][rank]
            mine[graph.tensors[tensor].name] = inputs[graph.tensors[tensor].name][region.slices()]
        self._run = Interpreter(main, mine, evaluator)
        self._sent = -1

    @property
    def finished(self) -> bool:
        return self._run.current is None

    @property
    def results(self) -> list[np.ndarray]:
        """What the board owns of the model's outputs, and the last token."""
        return self._run.result

    def advance(self) -> bool:
        """Go on as far as possible; True if that was any step at all."""
        moved = False
        while not self.finished:
            exchange = self._exchange()
            if exchange is None:
                self._run.step()
            else:
                moved = self._send(exchange) or moved
                if self._missing(exchange):
                    return moved
                self._receive(exchange)
            moved = True
        return moved

    def complaint(self) -> str:
        """Whom the board waits for."""
        exchange = self._exchange()
        missing = sorted({m.source for m in self._missing(exchange)})
        return f"board {self._rank} waits at exchange {exchange.id} for boards {missing}"

    def _exchange(self) -> Exchange | None:
        node = self._run.current
        if not isinstance(node, tvm.relay.Call) or node.op.name != exchange_op.NAME:
            return None
        return self._geometry.exchanges[int(node.attrs["exchange"])]

    def _send(self, exchange: Exchange) -> bool:
        """Post what others need, once; True if that was done now."""
        if self._sent >= exchange.id:
            return False
        self._sent = exchange.id
        _, *owned = self._run.operands()[0]
        mine = self._geometry.owned[exchange.tensor][self._rank]
        for message in exchange.sends(self._rank):
            part = owned[0][message.region.relative_to(mine).slices()]
            self._post(exchange, message).append(part)
        return True

    def _missing(self, exchange: Exchange) -> list:
        return [m for m in exchange.receives(self._rank) if not self._post(exchange, m)]

    def _receive(self, exchange: Exchange) -> None:
        """Put what the board needs together: its own part and what others sent."""
        token, *owned = self._run.operands()[0]
        if not exchange.sends(self._rank) and not exchange.receives(self._rank):
            self._run.finish(token)  # others' messages pass through here
            return
        mine = self._geometry.owned[exchange.tensor][self._rank]
        need = self._geometry.need[exchange.tensor][self._rank]
        parts = {
            m.source: (m.region, self._post(exchange, m).pop(0))
            for m in exchange.receives(self._rank)
        }
        keep = mine.intersect(need)
        if not keep.is_empty:
            parts[self._rank] = (keep, owned[0][keep.relative_to(mine).slices()])
        if need.is_empty:
            self._run.finish(token)
            return
        info = self._lowered.imported.graph.tensors[exchange.tensor]
        boxes = [(box.relative_to(need), part) for _, (box, part) in sorted(parts.items())]
        held = _combined(boxes, need.shape, info.dtype, exchange.combine)
        self._run.finish([held, token])

    def _post(self, exchange: Exchange, message) -> list[np.ndarray]:
        return self._mail.setdefault((exchange.id, message.source, message.target), [])


def _combined(boxes, shape: tuple[int, ...], dtype: str, combine: str) -> np.ndarray:
    """Boxes in rank order put side by side, added up, or their maximum."""
    held = np.full(shape, _poison(dtype), dtype)
    filled = np.zeros(shape, bool)
    for box, part in boxes:
        there = box.slices()
        if combine == "copy":
            held[there] = part
            continue
        both = held[there] + part if combine == "sum" else np.maximum(held[there], part)
        held[there] = np.where(filled[there], both, part)
        filled[there] = True
    return held


def _poison(dtype: str):
    """A value that spoils the answer wherever nothing was received."""
    if dtype == "bool":
        return True
    return np.nan if "float" in dtype else np.iinfo(dtype).max  # bfloat16, too


def _gather(
    lowered: Lowered, tensor: int, position: int, boards: Sequence[_Board], inputs
) -> np.ndarray:
    graph = lowered.imported.graph
    info = graph.tensors[tensor]
    if info.kind == "input":
        return np.asarray(inputs[info.name])
    if info.kind == "constant":
        return lowered.imported.constants[tensor].data.numpy()
    whole = np.full(info.shape, _poison(info.dtype), info.dtype)
    for rank, board in enumerate(boards):
        region = lowered.geometry.owned[tensor][rank]
        if not region.is_empty:
            before = graph.outputs[:position]
            index = sum(_gives(lowered, other, rank) for other in before)
            whole[region.slices()] = board.results[index]
    return whole


def _gives(lowered: Lowered, tensor: int, rank: int) -> bool:
    owned = lowered.geometry.owned.get(tensor)
    return owned is not None and not owned[rank].is_empty


def _check_inputs(graph, inputs: Mapping[str, np.ndarray]) -> None:
    for tensor in graph.inputs:
        info = graph.tensors[tensor]
        if info.name not in inputs:
            raise InputError(f"input '{info.name}' is missing")
        if np.shape(inputs[info.name]) != info.shape:
            raise InputError(
                f"input '{info.name}' has shape {np.shape(inputs[info.name])}, not {info.shape}"
            )
