# SPDX-License-Identifier: Apache-2.0
"""What a NumPy docstring leaves out of a function or a class."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

#: A summary that begins so names what is returned, instead of what is done.
NAMES_RESULT = re.compile(
    r"(An?|The|These|Those|That|Whether|What|Which|How|Where|Who|When|Whose|All|Each|Every|Both|"
    r"Some|No|None|Nothing|One|Same|True|Number|Seconds|Milliseconds|Bytes|Names?)\b"
)
_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Heading -> text below it; the summary and what follows it are under ``""``."""
    parts = _HEADING.split(text)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def entries(section: str) -> set[str]:
    """What a section lists: the names at the beginning of lines, before a colon."""
    heads = [line for line in section.splitlines() if line and not line[0].isspace()]
    names = [name.strip(" *`") for head in heads for name in head.split(" : ")[0].split(",")]
    return {name for name in names if name}


def missing_of_class(cls: type) -> Iterator[str]:
    """What the docstring of a class lacks; its methods have their own."""
    text = cls.__dict__.get("__doc__") or ""
    if not text or text.startswith(f"{cls.__name__}("):  # a dataclass writes itself one
        yield "no docstring"
        return
    made = [vars(cls)[name] for name in ("__init__", "__post_init__") if name in vars(cls)]
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls) if field.init]
        made = [function for function in made if function.__name__ == "__post_init__"]
    else:
        names = [name for function in made for name in _parameters(function)]
    yield from _missing(inspect.cleandoc(text), [n for n in names if n[0] != "_"], made)


def missing_of_function(function: Callable, also: str = "") -> Iterator[str]:
    """What the docstring of a function or method lacks.

    ``also`` is what the base class says of a method: an override need not say it again.
    """
    own = inspect.getdoc(function)
    if not own and not also:
        yield "no docstring"
        return
    text = f"{own or ''}\n\n{also}".strip()
    yield from _missing(text, _parameters(function), [function])
    result = function.__annotations__.get("return", "None")
    told = {"Returns", "Yields"} & sections(text).keys() or NAMES_RESULT.match(text)
    if result not in ("None", None, "NoReturn", "Self") and not told:
        yield "Returns"


def said_by_bases(cls: type, name: str) -> str:
    """Docstrings of a method in the classes that a class is derived from."""
    own = [vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)]
    return "\n\n".join(inspect.getdoc(method) or "" for method in own)


def methods(cls: type) -> Iterator[tuple[str, Callable, bool]]:
    """Public methods of a class's own: name, function, whether it is read as an attribute."""
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        inner = getattr(value, "fget", None) or getattr(value, "func", None)
        if inspect.isfunction(inner):
            yield name, inner, True
        else:
            function = getattr(value, "__func__", value)
            if inspect.isfunction(function):
                yield name, function, False


def _missing(text: str, names: list[str], functions: list[Callable]) -> Iterator[str]:
    found = sections(text)
    undescribed = [name for name in names if name not in entries(found.get("Parameters", ""))]
    if undescribed:
        yield f"Parameters: {', '.join(undescribed)}"
    raised = {name for function in functions for name in raised_by(function)}
    if unsaid := sorted(raised - entries(found.get("Raises", ""))):
        yield f"Raises: {', '.join(unsaid)}"


def _parameters(function: Callable) -> list[str]:
    names = list(inspect.signature(function).parameters)
    is_method = names[:1] in (["self"], ["cls"])
    return [name for name in names[is_method:] if name[0] != "_"]


def raised_by(function: Callable) -> set[str]:
    """Exceptions that a function raises itself, by name; not what functions inside it raise."""
    function = inspect.unwrap(function)
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    return set(_raised(node))


def _raised(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Try):
        yield from _left(node)
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            thrown = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            name = thrown.id if isinstance(thrown, ast.Name) else getattr(thrown, "attr", "")
            if name[:1].isupper() and name != "NotImplementedError":
                yield name
        yield from _raised(child)


def _left(node: ast.Try) -> Iterator[str]:
    """What a ``try`` raises and does not catch itself, by name."""
    caught = {
        name.id
        for handler in node.handlers
        if handler.type is not None
        for name in ast.walk(handler.type)
        if isinstance(name, ast.Name)
    }
    body = ast.Module(node.body, [])
    yield from (name for name in _raised(body) if name not in caught)
    for rest in (*node.handlers, ast.Module(node.orelse, []), ast.Module(node.finalbody, [])):
        yield from _raised(rest)
