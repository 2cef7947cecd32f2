"""Documents that cannot lie: what they say about commands is compared with the commands."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
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
    import curate.cli
    import head.cli
    import ingest.cli

    apps = {
        "ingest": ingest.cli.app,
        "classify": classify.cli.app,
        "curate": curate.cli.app,
        "retrain": head.cli.app,
    }
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


def test_site__is_built_with_every_link_leading_somewhere(tmp_path: Path) -> None:
    """`make docs` makes every page of the menu; a dead link or anchor would fail it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {p.stem for p in tmp_path.glob("*.html")} >= {p.stem for p in ROOT.glob("docs/*.md")}
    assert "classify_vectors" in (tmp_path / "api.html").read_text(encoding="utf-8")


def test_documents__name_options_that_exist() -> None:
    """Every option of every command line in the documents is one that the command takes."""
    import typer.main

    import classify.cli
    import head.cli
    import ingest.cli

    groups = {
        "ingest": typer.main.get_command(ingest.cli.app),
        "classify": typer.main.get_command(classify.cli.app),
        "retrain": typer.main.get_command(head.cli.app),
    }
    seen = 0
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for line in _command_lines(page.read_text(encoding="utf-8")):
            program, *words = line.split()
            command = groups[program]
            if words and words[0] in command.commands:  # type: ignore[attr-defined]
                command = command.commands[words[0]]  # type: ignore[attr-defined]
            known = {option for parameter in command.params for option in parameter.opts}
            named = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert named <= known | {"--help", "--debug"}, f"{page.name}: {line}"
            seen += len(named)
    assert seen > 30


def _command_lines(page: str) -> list[str]:
    """Lines of fenced blocks that are a command of ours, without what follows it."""
    blocks = re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [
        re.split(r"  +#|&&|\||>", line)[0].strip()
        for block in blocks
        for line in block.splitlines()
    ]
    return [line for line in lines if re.match(r"(ingest|classify|retrain)( |$)", line)]


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
    code = (
        f"import sys, {module}; "
        "heavy = {'torch', 'timm', 'qdrant_client', 'qdrant_edge', 'sklearn', 'numpy', "
        "'pydantic', 'fastapi', 'PIL'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
