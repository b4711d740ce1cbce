# SPDX-License-Identifier: Apache-2.0
"""What commands made of a model file before, found again without importing or planning it.

A key is a digest of all that the result is made from: the files that the options name, the
options themselves, every source of this package and its cost models, the versions of the
packages that import and compile, and TVM's pass context.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache as once
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import ZipFile

from ..codegen.build_key import is_told_by_settings, settings
from ..fingerprint import HERE
from ..relay.targets import host_target
from ..runtime import Artifact, BuildCache, Whole, load_artifact
from ..runtime.artifact import save_artifact
from ..runtime.native import linker_for
from .options import PlanOptions

PACKAGES = ("onnx", "numpy", "torch", "tflite", "xgboost")
#: Where a file of ONNX says that weights are in another file: its own bytes then tell too little.
_EXTERNAL = b"location"
#: Folders of what is made from the package, and decides nothing of an artifact.
_COMPILED = {"__pycache__", "native"}
#: What ``save_artifact`` writes of itself.
_WRITTEN = ("artifact.json", "plan.json")
_WHOLE = "whole.so", "whole.flexpie", "refused.txt"


def artifact_key(
    model: Path,
    options: PlanOptions,
    threads: int | None = None,
    tuned: Path | None = None,
    fallbacks: int = 0,
) -> str | None:
    """Digest of all that decides the artifact of a model.

    Parameters
    ----------
    model : Path
        The model file.
    options : PlanOptions
        How to cut it.
    threads : int or None
        Threads of boards on this machine; None for other boards.
    tuned : Path, optional
        Records of ``flexpie tune``.
    fallbacks : int
        How many boards may be lost.

    Returns
    -------
    key : str or None
        None for what is made anew each time: a model with weights in other files, or anything
        if the pass context has instruments.
    """
    costs = [Path(text.rpartition("=")[2]) for text in options.cost]
    files = [options.cluster_file, options.plan, tuned, *costs]
    plain = replace(options, shapes={}, cluster_file=None, plan=None)
    # boards on this machine share its cores
    here = threads and (threads, len(os.sched_getaffinity(0)))
    what = ("artifact", sorted(options.shapes.items()), plain, host_target(), here, fallbacks)
    return _key(model, what, files)


def whole_key(
    model: Path, shapes: dict[str, tuple[int, ...]], target: object, precision: str
) -> str | None:
    """Digest of all that decides what engines run of a model on one board; None as above."""
    what = ("one board", sorted(shapes.items()), str(target), linker_for(str(target)), precision)
    return _key(model, what, ())


def finished_artifact(
    cache: BuildCache | None, key: str | None, path: Path, make: Callable[[], Artifact]
) -> Artifact:
    """The artifact that was made before, at ``path``; made and kept if there is none."""
    if cache is None or key is None:
        return make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".build.") as scratch:
        folder = Path(scratch)
        if _take(cache, key, folder):
            found = load_artifact(folder)
            files = [file for file in folder.iterdir() if file.name not in _WRITTEN]
            return save_artifact(found, files, path)
    artifact = make()
    _keep(cache, key, artifact.path)
    return artifact


def finished_whole(
    cache: BuildCache | None,
    key: str | None,
    target: object,
    model: Path,
    folder: Path,
    make: Callable[[Path], Whole],
) -> Whole:
    """What engines run on one board, made before; made and kept if there is none.

    Parameters
    ----------
    cache : BuildCache or None
        Where it is looked for.
    key : str or None
        As of `whole_key`.
    target : tvm.target.Target or str
        The board's.
    model : Path
        The model file.
    folder : Path
        Gets the files, and no others.
    make : callable
        ``build_whole`` in a folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if cache is None or key is None:
        return make(folder)
    library, alone, refused = (folder / name for name in _WHOLE)
    if not _take(cache, key, folder):
        whole = make(folder)
        refused.write_text(whole.refused, "utf-8")
        _keep(cache, key, folder)
        return whole
    there = library if library.is_file() else None
    return Whole(str(target), there, load_artifact(alone), model, refused.read_text("utf-8"))


def _take(cache: BuildCache, key: str, folder: Path) -> bool:
    """Unpack into a folder what is kept under a key; counted if there is something."""
    # what is missing here may still be put together from libraries that were built before
    apart = BuildCache(cache.folder, cache.limit)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".taken.") as scratch:
        files = apart.take(key, Path(scratch))
        if files is None:
            return False
        with ZipFile(files[0]) as pack:
            pack.extractall(folder)
    cache.hits += 1
    return True


def _keep(cache: BuildCache, key: str, folder: Path) -> None:
    """Keep all files of a folder, as one that is not compressed."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".kept.") as scratch:
        path = Path(scratch) / "made.zip"
        with ZipFile(path, "w") as pack:
            for file in _files(folder):
                pack.write(file, file.relative_to(folder))
        cache.keep(key, [path])


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _key(model: Path, what: tuple, files: Iterable[Path | None]) -> str | None:
    if not is_told_by_settings():
        return None
    try:
        data = model.read_bytes()
        others = [None if file is None else _digest(file.read_bytes()) for file in files]
    except OSError:  # said by who reads it
        return None
    if _EXTERNAL in data:
        return None
    versions = [_version(name) for name in PACKAGES]
    told = (what, model.suffix, _digest(data), others, settings(None), versions, _package())
    return _digest(repr(told).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@once
def _package() -> str:
    """Digest of this package's sources and data."""
    digest = hashlib.sha256()
    for file in _files(HERE):
        if not _COMPILED & set(file.relative_to(HERE).parts):
            digest.update(file.relative_to(HERE).as_posix().encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()
