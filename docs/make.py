"""Writes what documents say of the code from the code itself; a test compares the two.

    python docs/make.py

`commands.md` comes from each command's `--help`, the module list of `architecture.md` from the
first line of each module's docstring.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
COMMANDS = (
    ("ingest", "add"),
    ("ingest", "classes"),
    ("ingest", "list"),
    ("ingest", "relabel"),
    ("ingest", "remove"),
    ("ingest", "optimize"),
    ("ingest", "verify"),
    ("ingest", "backup"),
    ("ingest", "restore"),
    ("ingest", "watch"),
    ("classify", "query"),
    ("classify", "eval"),
    ("classify", "serve"),
    ("retrain",),
    ("retrain", "list"),
    ("retrain", "show"),
    ("retrain", "promote"),
    ("retrain", "rollback"),
    ("retrain", "export"),
)
_MODULES = {"retrain": "head"}
_PACKAGES = ("holotype", "ingest", "classify", "head")
_MARK = "<!-- modules: written by docs/make.py -->"


def commands_page() -> str:
    """All of commands.md."""
    parts = [
        "# Commands\n\nEvery setting is also an environment variable, named beside its option. "
        "Written by `python docs/make.py`.\n"
    ]
    parts.extend(f"## {' '.join(command)}\n\n```\n{_help(command)}\n```\n" for command in COMMANDS)
    return "\n".join(parts)


def architecture_page() -> str:
    """architecture.md with its module list made anew."""
    by_hand, _, _ = (DOCS / "architecture.md").read_text(encoding="utf-8").partition(_MARK)
    return by_hand + _MARK + "\n\n" + "\n".join(_module_lines()) + "\n"


def _module_lines() -> list[str]:
    lines: list[str] = []
    for package in _PACKAGES:
        lines.append(f"\n### {package}\n" if lines else f"### {package}\n")
        lines.extend(
            f"- `{path.relative_to(ROOT).as_posix()}`: {_summary(path)}"
            for path in sorted((ROOT / package).rglob("*.py"))
            if path.name != "__main__.py"
        )
    return lines


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _help(command: tuple[str, ...]) -> str:
    program, *rest = command
    module = _MODULES.get(program, program)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLOTYPE_")}
    done = subprocess.run(  # noqa: S603  # this project's own commands
        [sys.executable, "-m", module, *rest, "--help"],
        env={**environment, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    text = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    return text.strip("\n").replace(f"python -m {module}", program)


if __name__ == "__main__":
    (DOCS / "commands.md").write_text(commands_page(), encoding="utf-8")
    (DOCS / "architecture.md").write_text(architecture_page(), encoding="utf-8")
