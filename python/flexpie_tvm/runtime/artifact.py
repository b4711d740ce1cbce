# SPDX-License-Identifier: Apache-2.0
"""An artifact: a cut and compiled model on disk, ready to be deployed by any process.

A folder with ``plan.json``, one ``board<rank>.so`` per board, and ``artifact.json``: what
goes in and out of each board, the exchange tables, and checksums of all files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArtifactError, PlanError
from ..files import parse_json, read_text
from ..machine import FP32
from ..plan.model.plan_file import plan_from_json
from .manifest import VERSION, check_manifest, digest, manifest_of
from .port import Port
from .signature import check_signature, read_private_key, write_signature

MANIFEST = "artifact.json"
#: The model behind it, if it is kept.
MODELS = ("model.onnx", "model.tflite")
#: Artifacts for fewer boards: a folder in it, named by the ranks that are left.
FALLBACKS = "fallbacks"


@dataclass(frozen=True)
class Artifact:
    """A deployable model.

    Parameters
    ----------
    path : Path
        Its folder.
    boards : int
        Number of boards.
    scheme : str
        The way of cutting.
    targets : tuple of str
        TVM target of each board.
    inputs, outputs : tuple of Port
        What goes in and out.
    tables : tuple of dict
        Exchange table per board, as the native runtime reads it.
    plan : dict
        ``plan.json``.
    """

    path: Path
    boards: int
    scheme: str
    targets: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tables: tuple[dict, ...]
    plan: dict

    def library(self, board: int) -> Path:
        """The compiled module of a board.

        Parameters
        ----------
        board : int
            Its rank.
        """
        return self.path / f"board{board}.so"

    @property
    def model(self) -> Path | None:
        """The model file that it was built from, if it was kept."""
        return next(filter(Path.is_file, (self.path / name for name in MODELS)), None)

    @property
    def fallbacks(self) -> list[Path]:
        """Folders of artifacts for fewer boards, named by the ranks that are left."""
        return sorted(path for path in (self.path / FALLBACKS).glob("*") if is_artifact(path))

    @property
    def bytes_exchanged(self) -> int:
        """Bytes that boards send to each other in one run."""
        return sum(table["bytes_sent"] for table in self.tables)

    @property
    def bytes_forwarded(self) -> int:
        """Bytes that boards pass on for each other in one run, counted at each of them."""
        return sum(table["bytes_forwarded"] for table in self.tables)

    @property
    def precision(self) -> str:
        """What floating point it computes in: ``fp32`` or ``fp16``."""
        return self.plan["notes"].get("precision", FP32)

    @property
    def topology(self) -> str:
        """The links between the boards that it was built for."""
        return self.plan["cluster"]["topology"]


def check_free(path: Path) -> None:
    """``ArtifactError`` if something that is not an artifact is in the way."""
    if path.exists() and not is_artifact(path):
        raise ArtifactError(f"'{path}' exists and is not an artifact: choose another name")


def save_artifact(artifact: Artifact, files: list[Path], path: Path) -> Artifact:
    """Write an artifact; a folder that exists is replaced only when the new one is whole.

    Parameters
    ----------
    artifact : Artifact
        What the manifest says.
    files : list of Path
        ``board<rank>.so`` and whatever else belongs to it, also folders; they are moved.
    path : Path
        The folder.

    Raises
    ------
    ArtifactError
        If something that is not an artifact is in the way.
    """
    check_free(path)
    path = path.resolve()  # a link stays a link, to the new artifact
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for file in files:
            shutil.move(file, scratch / file.name)
        (scratch / "plan.json").write_text(json.dumps(artifact.plan, indent=1) + "\n")
        checksums = {name: _checksum(scratch / name) for name in _names(scratch)}
        manifest = manifest_of(
            artifact.boards,
            artifact.scheme,
            artifact.targets,
            artifact.inputs,
            artifact.outputs,
            artifact.tables,
            checksums,
        )
        (scratch / MANIFEST).write_text(json.dumps(manifest) + "\n")
        if path.exists():
            shutil.rmtree(path)
        scratch.chmod(0o755)
        scratch.rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Artifact(**{**artifact.__dict__, "path": path})


def sign_artifact(path: str | Path, key: str | Path) -> None:
    """Sign an artifact that is whole, so that others can tell who made it.

    Parameters
    ----------
    path : str or Path
        Its folder.
    key : str or Path
        File of an Ed25519 private key, in PEM.

    Raises
    ------
    ArtifactError
        As `load_artifact`.
    InputError
        If the key cannot be used.
    ToolError
        If the package cryptography is not installed.
    """
    private = read_private_key(key)
    load_artifact(path)
    write_signature(Path(path), _read_manifest(Path(path))["digest"], private)


def load_artifact(path: str | Path, trust: Sequence[str | Path] = ()) -> Artifact:
    """Read an artifact and check every file of it.

    Parameters
    ----------
    path : str or Path
        Its folder.
    trust : sequence of str or Path
        Files of Ed25519 public keys, one of which must have signed it; none: whoever made it.

    Returns
    -------
    artifact : Artifact
        What it says of itself; libraries stay in the folder until they are deployed.

    Raises
    ------
    ArtifactError
        If it is missing, of another version, incomplete, damaged or not signed as it must be.
    InputError
        If a public key cannot be used.
    ToolError
        If ``trust`` is given and the package cryptography is not installed.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    if trust:
        check_signature(path, manifest["digest"], trust)
    try:
        _check_files(path, manifest["sha256"])
        plan = _read_json(path / "plan.json", path)
        plan_from_json(plan, str(path / "plan.json"))
        inputs, outputs = check_manifest(manifest, plan)
    except (ArtifactError, PlanError) as error:
        raise ArtifactError(str(error)) from None
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ArtifactError(f"artifact '{path}' is damaged ({error!r}): build it again") from None
    return Artifact(
        path=path,
        boards=manifest["boards"],
        scheme=manifest["scheme"],
        targets=tuple(manifest["targets"]),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        tables=tuple(manifest["tables"]),
        plan=plan,
    )


def _read_manifest(path: Path) -> dict:
    manifest = _read_json(path / MANIFEST, path)
    if manifest.get("version") != VERSION:
        raise ArtifactError(f"artifact '{path}' is not version {VERSION}: build it again")
    if manifest.get("digest") != digest(manifest):
        raise ArtifactError(f"artifact '{path}': {MANIFEST} is damaged: build it again")
    return manifest


def _check_files(path: Path, checksums: dict[str, str]) -> None:
    for name, checksum in checksums.items():
        if not (path / name).is_file():
            raise ArtifactError(f"artifact '{path}' lacks {name}: build it again")
        if _checksum(path / name) != checksum:
            raise ArtifactError(f"artifact '{path}': {name} is damaged: build it again")
    for name in [*MODELS, *_fallback_names(path)]:
        if (path / name).exists() and name not in checksums:
            raise ArtifactError(f"artifact '{path}' has a {name} that it does not list: remove it")


def _fallback_names(path: Path) -> list[str]:
    """Files in the folders of fallbacks, and links, which may lead to more."""
    there = [path / FALLBACKS, *(path / FALLBACKS).rglob("*")]
    found = (file for file in there if file.is_file() or file.is_symlink())
    return [file.relative_to(path).as_posix() for file in found]


def is_artifact(path: str | Path) -> bool:
    """True if the path is an artifact's folder.

    Parameters
    ----------
    path : str or Path
        Any path, also of nothing.
    """
    return (Path(path) / MANIFEST).is_file()


def _names(path: Path) -> list[str]:
    """Files of a folder and of those in it."""
    return sorted(f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_file())


def _read_json(file: Path, path: Path) -> dict:
    try:
        data = parse_json(read_text(file))
    except OSError as error:
        raise ArtifactError(f"artifact '{path}' cannot be read: {error.strerror}") from None
    except ValueError:
        raise ArtifactError(f"artifact '{path}': {file.name} is damaged: build it again") from None
    if not isinstance(data, dict):
        raise ArtifactError(f"artifact '{path}': {file.name} is damaged: build it again")
    return data


def _checksum(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
