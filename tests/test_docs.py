"""Documents that cannot lie: what they say about commands is compared with the commands."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "docs/make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_commands_page__is_what_help_prints() -> None:
    """docs/commands.md equals the commands' own help, option for option."""
    written = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert written == _maker().commands_page(), "run: python docs/make.py"


def test_commands_page__shared_options_stand_once() -> None:
    """The options of the store are on the page once, and every command that takes them says so."""
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    assert page.count("HOLOTYPE_HOME") == 1
    assert page.count("[Store](#store)") == len(_maker().COMMANDS)
    assert "[Encoder](#encoder) (only `--device`)" in page  # of `retrain`


def test_commands_page__has_every_command() -> None:
    """A command that is added to a program is added to the page."""
    import typer.main

    import classify.cli
    import head.cli
    import ingest.cli

    apps = {"ingest": ingest.cli.app, "classify": classify.cli.app, "retrain": head.cli.app}
    found = {
        (program, name)
        for program, app in apps.items()
        for name in typer.main.get_command(app).commands  # type: ignore[attr-defined]
    } | {("retrain",)}
    assert found == set(_maker().COMMANDS)


@pytest.mark.parametrize("name", ["README.md", *sorted(p.name for p in ROOT.glob("docs/*.md"))])
def test_documents__links_lead_somewhere(name: str) -> None:
    """Every relative link of every document names a file."""
    path = ROOT / name if name == "README.md" else ROOT / "docs" / name
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{name} links to {target}"


def test_architecture__has_a_line_for_every_module() -> None:
    """The module list of docs/architecture.md is what the modules say of themselves."""
    written = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert written == _maker().architecture_page(), "run: python docs/make.py"


def test_architecture__opens_with_ways_whose_stops_exist() -> None:
    """The picture shows three ways of five stops, each with a file that is there."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    ways = page.partition("```mermaid")[2].partition("```")[0].split("subgraph")[1:]
    stops = [re.findall(r"<br>([\w/]+\.py)", way) for way in ways]
    assert [len(files) for files in stops] == [5, 5, 5]
    missing = [file for files in stops for file in files if not (ROOT / file).is_file()]
    assert missing == []


@pytest.mark.parametrize("module", ["ingest.cli", "classify.cli", "head.cli", "holotype"])
def test_imports__commands_load_nothing_heavy(module: str) -> None:
    """`--help` pays for none of the heavy libraries."""
    import subprocess

    code = (
        f"import sys, {module}; "
        "heavy = {'torch', 'timm', 'qdrant_client', 'qdrant_edge', 'sklearn', 'numpy', "
        "'pydantic', 'fastapi', 'PIL'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
