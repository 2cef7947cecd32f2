"""The modules of this project that a bundle needs: those that are imported when it answers.

Found by reading the imports at the top of each module. What a function imports when it is called,
and what only a type checker reads, stays behind: none of it is called by a bundle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ENTRY: Final = "classify.bundle.main"

OURS: Final = ("holotype", "head", "classify")


def closure(entry: str = ENTRY) -> dict[str, Path]:
    """The file of every module that importing `entry` imports, by the module's name."""
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in OURS:
            continue
        try:
            spec = find_spec(name)
        except ModuleNotFoundError:
            continue  # a name in a module
        if spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin)
        package = name.rpartition(".")[0]
        waiting += [package] if package else []
        waiting += _imported(found[name].read_text(encoding="utf-8"))
    return dict(sorted(found.items()))


def member(name: str, file: Path) -> str:
    """Where a module lies in the bundle."""
    folders = name.replace(".", "/")
    return f"{folders}/__init__.py" if file.name == "__init__.py" else f"{folders}.py"


def _imported(source: str) -> Iterator[str]:
    for statement in _at_import(ast.parse(source).body):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, in whatever they are nested."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from _at_import(statement.orelse)
            continue
        yield statement
        for inner in ("body", "orelse", "finalbody"):
            yield from _at_import(getattr(statement, inner, []))
