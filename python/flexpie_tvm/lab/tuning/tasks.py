# SPDX-License-Identifier: Apache-2.0
"""The kernels of a cut model as tasks of AutoTVM, and their candidates."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import autotvm
from tvm.autotvm.task.space import ConfigEntity
from tvm.autotvm.task.topi_integration import TaskExtractEnv

from ...codegen.build import ranks_by_target, schedule_boards
from ...kernels import templates
from ...kernels.configs import other_steps
from ...kernels.target import keyed
from ...relay import Lowered, Partitioned, lower
from ...relay.targets import Targets, targets_of


def extract_tasks(
    mod: tvm.IRModule | Partitioned | Lowered, target: Targets
) -> list[autotvm.task.Task]:
    """The tunable kernels of a cut model, in the shapes of the boards' own tiles.

    Parameters
    ----------
    mod : tvm.IRModule, Partitioned or Lowered
        What ``FlexPiePartition`` or `partition` returned, or what `flexpie_tvm.lower` made of it.
    target : tvm.target.Target or str, or a sequence of them
        Target of all boards, or of each one in rank order.

    Returns
    -------
    tasks : list of tvm.autotvm.task.Task
        Each kernel once for each target, those with the most work first. TVM's own tuners take
        them; ``candidates`` says what is worth a try.

    Raises
    ------
    PlanError
        If the module is not annotated.
    """
    lowered = mod if isinstance(mod, Lowered) else lower(mod)
    targets = targets_of(target, lowered.plan.boards)
    tasks = []
    for ranks in ranks_by_target(targets).values():
        tasks += _tasks([lowered.boards[rank] for rank in ranks], targets[ranks[0]])
    return sorted(tasks, key=lambda task: -task.flop)


def _tasks(boards: Sequence[tvm.IRModule], target: tvm.target.Target) -> list[autotvm.task.Task]:
    found = TaskExtractEnv.get()
    found.reset()
    with found:
        schedule_boards(boards, target)
    kernels = found.get_tasks()
    return [autotvm.task.create(name, args, target=keyed(target)) for name, args in kernels]


def candidates(task: autotvm.task.Task) -> list[ConfigEntity]:
    """Configurations of a task that are worth a measurement, the predicted one first.

    Parameters
    ----------
    task : tvm.autotvm.task.Task
        Of `extract_tasks`.

    Returns
    -------
    configs : list of ConfigEntity
        Fewer than two if there is nothing to choose.
    """
    if task.name in templates.TEMPLATES:
        return [task.config_space.get(index) for index in range(len(task.config_space))]
    return other_steps(task.target, task.workload)
