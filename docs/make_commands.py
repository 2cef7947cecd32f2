"""Writes docs/commands.md from the commands' own `--help`; a test compares the two.

python docs/make_commands.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).with_name("commands.md")
COMMANDS = (
    ("ingest", "add"),
    ("ingest", "classes"),
    ("ingest", "list"),
    ("ingest", "relabel"),
    ("ingest", "remove"),
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


def page() -> str:
    """The whole page."""
    parts = [
        "# Commands\n\nEvery setting is also an environment variable, named beside its option. "
        "Written by `python docs/make_commands.py`.\n"
    ]
    for command in COMMANDS:
        parts.append(f"## {' '.join(command)}\n\n```\n{_help(command)}\n```\n")
    return "\n".join(parts)


def _help(command: tuple[str, ...]) -> str:
    program, *rest = command
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLOTYPE_")}
    done = subprocess.run(
        [sys.executable, "-m", _MODULES.get(program, program), *rest, "--help"],
        env={**environment, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    text = "\n".join(lines).strip("\n")
    return text.replace(f"python -m {_MODULES.get(program, program)}", program)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
