# SPDX-License-Identifier: Apache-2.0
"""What boards a tracker has, and what each of them is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import tvm

from .native import native_archs
from .session import Session
from .tracker import BOARD_SECONDS, Place, take_free
from .workers import Workers


@dataclass(frozen=True)
class BoardInfo:
    """One registered board.

    Parameters
    ----------
    address, port, key : str, int, str
        Under which it is registered.
    state : {"free", "busy", "silent"}
        Silent: registered, but it did not answer.
    arch : str
        ``x86_64`` or ``aarch64``; this and what follows is known of free boards only.
    cores : int
        Cores that its server may use.
    memory : int
        Bytes of physical memory.
    system : str
        Its kernel.
    tvm : str
        Version of its TVM runtime, or the commit that it was built from.
    reason : str
        Why a silent board did not answer.
    """

    address: str
    port: int
    key: str
    state: str
    arch: str = ""
    cores: int = 0
    memory: int = 0
    system: str = ""
    tvm: str = ""
    reason: str = ""


def list_boards(host: str, port: int, key: str | None = None) -> list[BoardInfo]:
    """All boards of a tracker, in the order of their addresses.

    Free boards are taken for a moment and asked; busy ones are only listed.

    Parameters
    ----------
    host, port : str, int
        The tracker.
    key : str, optional
        Only the boards that registered under it.

    Raises
    ------
    ClusterError
        If the tracker cannot be reached.
    """
    registered, taken = take_free(host, port, key)
    asked = _ask(taken)
    return [asked.get(board) or BoardInfo(*board, "busy") for board in registered]


def _ask(taken: Mapping[Place, Place]) -> dict[Place, BoardInfo]:
    """What each board is; one that does not answer keeps nobody waiting for long."""
    if not taken:
        return {}
    boards, places = list(taken), list(taken.values())
    workers = Workers(len(boards))
    known, failures, _ = workers.each(
        lambda k: _describe(boards[k], places[k]), BOARD_SECONDS, grace=BOARD_SECONDS
    )
    workers.close()
    return {
        board: known[k] or BoardInfo(*board, "silent", reason=_reason(failures.get(k)))
        for k, board in enumerate(boards)
    }


def _reason(error: BaseException | None) -> str:
    if error is None:
        return f"no answer within {BOARD_SECONDS:.0f} s"
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _describe(board: Place, place: Place) -> BoardInfo:
    session = Session.connect(*place)
    try:
        return _asked(board, session)
    finally:
        session.end()


def _asked(board: Place, session: Session) -> BoardInfo:
    if session.arch(native_archs()) is None:  # our runtime, which would tell, is not built for it
        return BoardInfo(*board, "free", "another")
    told = json.loads(session.remote.get_function("flexpie.board_info")())
    version = _version(session, told["runtime"]) or told["commit"][:10]
    facts = (told[name] for name in ("arch", "cores", "memory", "system"))
    return BoardInfo(*board, "free", *facts, version)


def _version(session: Session, runtime: str) -> str:
    """The version number in the Python package that the runtime's file lies in, if it does."""
    file = PurePosixPath(runtime).parent / "_ffi" / "libinfo.py"
    try:
        text = session.remote.download(str(file)).decode()
    except (tvm.error.TVMError, UnicodeDecodeError):
        return ""
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else ""
