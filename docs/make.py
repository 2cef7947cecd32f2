"""Writes what documents say of the code from the code itself; a test compares the two.

    python docs/make.py

`commands.md` comes from each command's `--help`, the module list of `architecture.md` from the
first line of each module's docstring.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
COMMANDS = (
    ("ingest", "add"),
    ("ingest", "classes"),
    ("ingest", "list"),
    ("ingest", "relabel"),
    ("ingest", "remove"),
    ("ingest", "history"),
    ("ingest", "undo"),
    ("ingest", "optimize"),
    ("ingest", "verify"),
    ("ingest", "backup"),
    ("ingest", "restore"),
    ("ingest", "export"),
    ("ingest", "watch"),
    ("classify", "query"),
    ("classify", "eval"),
    ("classify", "bundle"),
    ("classify", "serve"),
    ("curate", "suspects"),
    ("curate", "duplicates"),
    ("curate", "classes"),
    ("curate", "discover"),
    ("curate", "next"),
    ("curate", "map"),
    ("retrain",),
    ("retrain", "list"),
    ("retrain", "show"),
    ("retrain", "promote"),
    ("retrain", "rollback"),
    ("retrain", "export"),
)
SHARED = ("Encoder", "Voting", "Store", "Service")
"""Boxes of options that several commands take."""

_MODULES = {"retrain": "head"}
_PACKAGES = ("holotype", "ingest", "classify", "head", "curate")
_MARK = "<!-- modules: written by docs/make.py -->"


def commands_page() -> str:
    """All of commands.md: what many commands share is written once, at the end."""
    helps = {command: _help(command) for command in COMMANDS}
    shared = {title: _longest(title, helps.values()) for title in SHARED}
    parts = [
        "# Commands\n\nEvery setting is also an environment variable, named beside its option. "
        "Written by `python docs/make.py`.\n"
    ]
    parts.extend(
        f"## {' '.join(command)}\n\n```\n{_without_shared(text)}\n```\n{_links(text, shared)}"
        for command, text in helps.items()
    )
    parts.append("## Options of several commands\n")
    parts.extend(f"### {title}\n\n```\n{box}\n```\n" for title, box in shared.items())
    return "\n".join(parts)


def _boxes(title: str) -> re.Pattern[str]:
    return re.compile(rf"^╭─ {title} ─+╮\n(.*?)^╰─+╯", re.MULTILINE | re.DOTALL)


def _longest(title: str, helps: Iterable[str]) -> str:
    """The box of the command that takes most of these options."""
    return max((found[0] for text in helps for found in _boxes(title).finditer(text)), key=len)


def _without_shared(text: str) -> str:
    for title in SHARED:
        text = _boxes(title).sub("", text)
    return text.strip("\n")


def _links(text: str, shared: Mapping[str, str]) -> str:
    """Which of the shared options a command takes, each box once with where it is written."""
    links = []
    for title, box in shared.items():
        for found in _boxes(title).finditer(text):
            taken, all_of_them = _options(found[0]), _options(box)
            some = "" if taken == all_of_them else f" (only {', '.join(f'`{o}`' for o in taken)})"
            links.append(f"[{title}](#{title.lower()}){some}")
    return f"\nAlso the options of {', '.join(links)}.\n" if links else ""


def _options(box: str) -> list[str]:
    return re.findall(r"^│ +(--[\w-]+)", box, re.MULTILINE)


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
