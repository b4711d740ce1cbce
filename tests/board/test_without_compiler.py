# SPDX-License-Identifier: Apache-2.0
"""A board loads no more than it needs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import flexpie_board
from flexpie_tvm.testing.faults import board_services, children, wait_for

SOURCE = Path(flexpie_board.__file__).parent


def test_its_files_import_nothing_of_ours_and_only_the_server_tvm():
    for path in SOURCE.glob("*.py"):
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
        others = found - set(sys.stdlib_module_names)
        allowed = {"server.py": {"tvm"}, "command.py": {"click"}}
        assert others == allowed.get(path.name, set()), path.name


def test_a_board_loads_tvms_runtime_and_not_its_compiler(boards, tmp_path):
    with board_services(boards, f"small-{tmp_path.name}", 1, 22300) as (service,):
        wait_for(boards, f"small-{tmp_path.name}", 1)
        (server,) = children(service)
        for process in (service, server):
            loaded = Path(f"/proc/{process}/maps").read_text()
            assert "libtvm_runtime.so" in loaded
            assert "libtvm.so" not in loaded
