"""What every command line does where nobody takes what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from holotype.store.port import VectorStore
from tests.image_files import make_tree
from tests.references import Pictures

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")

COMMANDS = (
    ("ingest", "list", "--json"),
    ("head", "--help"),
    ("classify", "eval", "--leave-one-out"),
)


@pytest.fixture
def gallery(open_store: Callable[..., VectorStore], pictures: Pictures) -> None:
    """Two classes, which nobody has open."""
    with open_store() as store:
        store.add([*pictures.many("ant", 40), *pictures.many("bee", 40)])


def run(arguments: Sequence[str | Path], *, stdout: int | None) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


def one_sentence(stderr: str) -> str:
    """The error; there is nothing but one."""
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr
    [error] = [line for line in stderr.splitlines() if line.startswith("error:")]
    return error


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("gallery")
def test_output__on_a_full_disk(command: Sequence[str]) -> None:
    """One sentence that says so, and exit code 1."""
    full = os.open(FULL, os.O_WRONLY)
    done = run(command, stdout=full)
    os.close(full)

    assert done.returncode == 1
    assert one_sentence(done.stderr) == (
        "error: cannot write to standard output (No space left on device): what was done until "
        "then is kept"
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("gallery")
def test_output__into_a_pipe_that_nobody_reads(command: Sequence[str]) -> None:
    """The same where the reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run(command, stdout=writer)
    os.close(writer)

    assert done.returncode == 1
    assert "cannot write to standard output (Broken pipe)" in one_sentence(done.stderr)


@pytest.mark.usefixtures("gallery")
def test_output__closed_from_the_start() -> None:
    """Whoever closes standard output wants none: the command does its work."""
    command = f"exec {sys.executable} -m ingest classes >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "80 references in 2 classes\n")


@pytest.mark.usefixtures("gallery")
def test_output__nobody_reads_what_is_said_to_people() -> None:
    """Standard error on a full disk changes neither the answer nor the exit code."""
    command = [sys.executable, "-m", "ingest", "remove", "--label", "ant", "--yes", "--json"]
    with FULL.open("wb", buffering=0) as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)

    assert done.returncode == 0
    assert "40" in done.stdout


def test_report__on_a_full_disk(tmp_path: Path, lite0_checkpoint: Path) -> None:
    """`ingest add --report` ends with one sentence; what was added stays."""
    images = make_tree(tmp_path / "images", {"bee": [1, 2, 3]})
    encoder = ("--backbone", "tf_efficientnet_lite0", "--image-size", "32")
    command = ("ingest", "add", images, *encoder, "--checkpoint", lite0_checkpoint)
    done = run((*command, "--report", FULL), stdout=subprocess.DEVNULL)

    assert done.returncode == 1
    assert one_sentence(done.stderr) == (
        "error: cannot write the report /dev/full (No space left on device): what was done until "
        "then is kept"
    )


@pytest.mark.usefixtures("gallery")
def test_page__on_a_full_disk() -> None:
    """So does `classify eval --html`."""
    command = ("classify", "eval", "--leave-one-out", "--html", FULL)
    done = run(command, stdout=subprocess.DEVNULL)

    assert done.returncode == 1
    assert "cannot write the page /dev/full (No space left" in one_sentence(done.stderr)


def test_output__what_the_terminal_cannot_spell_is_escaped(
    open_store: Callable[..., VectorStore], pictures: Pictures
) -> None:
    """A label in another script is shown, not the end of the command."""
    with open_store() as store:
        store.add(pictures.many("пчела \N{HONEYBEE}", 1))
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "classes", "--json"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["label"] == "пчела \N{HONEYBEE}"
