"""What is installed: the declared dependencies, and a wheel in an environment of its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = ("holotype", "ingest", "classify", "head", "curate")
HERE = {*OURS, "tests", "demo", "benchmarks"}
STATIC = "classify/service/static"
NAMED_OTHERWISE = {"faiss": "faiss-cpu", "umap": "umap-learn"}
"""Distributions of modules that need not be installed where the tests run."""


BY_HAND = {"cleanlab"}
"""Peers that ask for older packages than they need: their benchmark says how they are installed."""


def declared(*groups: str) -> set[str]:
    """Distributions of the project and its extras, and of these dependency groups."""
    lines = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        lines += extra
    for group in groups:
        lines += _of_group(group)
    return {canonicalize_name(Requirement(line).name) for line in lines}


def _of_group(name: str) -> Iterable[str]:
    for item in PROJECT["dependency-groups"][name]:
        yield from [item] if isinstance(item, str) else _of_group(item["include-group"])


def imported(*folders: str) -> dict[str, str]:
    """Distributions that the modules below these folders import, each with one that does."""
    distributions = packages_distributions()
    found: dict[str, str] = {}
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name not in sys.stdlib_module_names and name not in HERE:
                for distribution in distributions.get(name, [NAMED_OTHERWISE.get(name, name)]):
                    found[canonicalize_name(distribution)] = str(path.relative_to(ROOT))
    return found


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_dependencies__are_what_is_imported() -> None:
    """Every import of the four packages is declared, and every dependency is imported."""
    needed = imported(*OURS)
    assert {name: by for name, by in needed.items() if name not in declared()} == {}
    assert declared() - needed.keys() == set()


@pytest.mark.parametrize(
    ("folders", "group"), [(("tests", "demo", "docs"), "dev"), (("benchmarks",), "bench")]
)
def test_dependencies__of_development_are_in_groups(folders: tuple[str, ...], group: str) -> None:
    """What the tests, the demo and the benchmarks import beside that is in their group."""
    missing = imported(*folders).keys() - declared(group) - BY_HAND
    assert {name: by for name, by in imported(*folders).items() if name in missing} == {}


def test_dependencies__are_pinned_for_the_tests() -> None:
    """constraints.txt has an exact version of everything that the tests are installed with."""
    pinned = {
        canonicalize_name(Requirement(line).name)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    assert declared("dev") - pinned == set()


def test_makefile__installs_groups_that_exist() -> None:
    """What `make` installs is declared, by a pip that knows groups."""
    text = (ROOT / "Makefile").read_text()
    groups = re.findall(r"--group (\w+)", text)
    assert sorted(groups) == ["bench", "dev"]
    assert set(groups) <= PROJECT["dependency-groups"].keys()
    assert text.index("--upgrade 'pip>=25.1'") < text.index("--group")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, and with the dependencies of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", folder, ROOT],
        check=True,
    )  # fmt: skip
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel],
        check=True,
    )
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    # Only on the path: the .pth files in there, that of this checkout among them, do not act.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def in_environment(*command: object, cwd: Path) -> str:
    """What a program of the fresh environment prints; it sees nothing of this checkout."""
    outside = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True, text=True, check=False, cwd=cwd, env=outside,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", PROJECT["project"]["scripts"])
def test_wheel__has_the_commands(command: str, installed: Path, tmp_path: Path) -> None:
    """All three run from the installed wheel and tell its version."""
    printed = in_environment(installed.parent / command, "--version", cwd=tmp_path)
    assert printed == f"holotype {PROJECT['project']['version']}\n"


def test_wheel__serves_the_page(installed: Path, tmp_path: Path) -> None:
    """The page and every file beside it come out of the wheel, byte for byte."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fastapi import FastAPI\n"
        "from fastapi.testclient import TestClient\n"
        "from classify.service.page import STATIC, serve_page\n"
        "app = FastAPI()\n"
        "serve_page(app)\n"
        "client = TestClient(app)\n"
        "print(STATIC.is_relative_to(sys.prefix))\n"
        "theirs = Path(sys.argv[1])\n"
        "files = [path for path in theirs.rglob('*') if path.is_file()]\n"
        "same = [client.get(f'/static/{path.relative_to(theirs)}').content == path.read_bytes()\n"
        "        for path in files]\n"
        "print(len(same) > 5, all(same))\n"
        "print(client.get('/').content == (theirs / 'index.html').read_bytes())\n"
    )
    printed = in_environment(installed, "-W", "ignore", "-c", code, ROOT / STATIC, cwd=tmp_path)
    assert printed.splitlines() == ["True", "True True", "True"]


def test_wheel__is_typed_and_whole(installed: Path, tmp_path: Path) -> None:
    """Every module and data file of the four packages is there, and each package is typed."""
    code = "import holotype; print(holotype.__file__)"
    site = Path(in_environment(installed, "-c", code, cwd=tmp_path).strip()).parent.parent
    assert all((site / package / "py.typed").is_file() for package in OURS)
    ours = {
        path.relative_to(ROOT)
        for package in OURS
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path for path in ours if not (site / path).is_file()} == set()
