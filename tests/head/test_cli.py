"""The retrain command as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from head import cli
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.references import Pictures


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The last line of standard output as JSON."""
        return json.loads(self.out.splitlines()[-1])


Retrain = Callable[..., Done]


@pytest.fixture
def retrain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Retrain:
    """Runs the command in this process, as the console script does."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["retrain", *arguments])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


@pytest.fixture
def filled(store: VectorStore, clouds: Clouds, pictures: Pictures) -> None:
    """The default gallery with three classes, closed again."""
    store.add(clouds.references(SIZES, pictures))
    store.close()


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "head", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.usefixtures("filled")
def test_retrain__says_what_it_made(retrain: Retrain) -> None:
    """Figures on standard output, progress on standard error, exit code 0."""
    done = retrain()
    assert done.code == 0
    assert "answers from now on" in done.out
    assert "trained on 36 references of 3 classes" in done.out
    assert "macro F1" in done.out
    assert "reading the references" in done.err


@pytest.mark.usefixtures("filled")
def test_retrain__json_is_one_line(retrain: Retrain) -> None:
    """A line for logs: status, version, report."""
    done = retrain("--json")
    assert len(done.out.splitlines()) == 1
    assert done.json["status"] == "activated"
    assert done.json["report"]["gallery"]["references"] == 36
    again = retrain("--if-needed", "--json")
    assert again.code == 0
    assert again.json["status"] == "not_needed"
    assert again.json["version"] == done.json["version"]


@pytest.mark.usefixtures("filled")
def test_retrain__progress_for_machines_is_on_standard_error(retrain: Retrain) -> None:
    """Events as JSON lines beside the result, up to a hundred per cent."""
    done = retrain("--json")
    events = [json.loads(line)["progress"] for line in done.err.splitlines()]
    assert [event["percent"] for event in events] == sorted(event["percent"] for event in events)
    assert events[0]["step"] == "reading the references"
    assert (events[-1]["step"], events[-1]["percent"]) == ("publishing", 100)
    assert list(events[-1]) == ["step", "percent", "elapsed_s", "eta_s"]


@pytest.mark.usefixtures("filled")
def test_retrain__on_a_terminal_there_is_a_bar() -> None:
    """Drawn on standard error, step by step, and gone when the result is there."""
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "head"], stdout=subprocess.PIPE, stderr=writing
    ) as drawn:
        os.close(writing)
        said = _until_closed(reading)
        assert drawn.stdout is not None
        assert "answers from now on" in drawn.stdout.read().decode()
    assert drawn.returncode == 0
    assert "publishing" in said  # a step before it may be over between two drawings
    assert "━" in said
    assert "%" in said


def _until_closed(terminal: int) -> str:
    parts = []
    # A terminal that nobody writes to any more ends with an error.
    with suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode(errors="replace")


@pytest.mark.usefixtures("filled")
def test_retrain__ctrl_c_is_clean(retrain: Retrain) -> None:
    """One line, exit code 130, no head, and the next run works."""
    with subprocess.Popen(
        [sys.executable, "-m", "head"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as ended:
        assert ended.stderr is not None
        assert "reading the references: 0 %" in ended.stderr.readline()
        ended.send_signal(signal.SIGINT)
        said = ended.stderr.read()
    assert ended.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: ")
    assert "has no trained head yet" in retrain("list").err
    assert retrain().code == 0


@pytest.mark.usefixtures("filled")
def test_versions__list_show_promote_rollback(retrain: Retrain) -> None:
    """The active version is marked, and moves with promote and rollback."""
    first = retrain("--json").json["version"]
    second = retrain("--seed", "1", "--json").json["version"]
    listed = [json.loads(line) for line in retrain("list", "--json").out.splitlines()]
    assert [(line["version"], line["active"]) for line in listed] == [
        (first, False),
        (second, True),
    ]
    assert "answers from now on" in retrain("rollback").out
    assert retrain("show", first, "--json").json["active"] is True
    assert retrain("promote", second).code == 0
    shown = retrain("show", second)
    assert f"head {second}  active" in shown.out
    assert "candidate" in shown.out
    assert "wasp" in shown.out
    assert "active" in retrain("list").out


@pytest.mark.usefixtures("filled")
def test_show__calibration_by_mode_and_the_comparison(retrain: Retrain) -> None:
    """Each mode has a line; the second head is compared with the first; JSON has the figures."""
    first = retrain("--json").json["version"]
    second = retrain("--seed", "1", "--json").json["version"]
    assert "against" not in retrain("show", first).out
    shown = " ".join(retrain("show", second).out.split())
    assert f"against {first}, on 36 references" in shown
    assert "answered at 95% right" in shown
    figures = retrain("show", second, "--json").json["report"]["calibration"]
    assert set(figures) == {"linear", "knn", "auto"}
    for mode, line in figures.items():
        assert f"{mode} │ {line['answers']} │ {line['accuracy']:.3f}" in shown
        assert f"{line['temperature']:.3g} │ {line['calibration_error']:.3f}" in shown


@pytest.mark.usefixtures("filled")
def test_export__writes_two_files_and_names_them(retrain: Retrain, tmp_path: Path) -> None:
    """Both paths are printed, one a line."""
    version = retrain("--json").json["version"]
    done = retrain("export", version, "--to", str(tmp_path / "out"))
    assert done.out.splitlines() == [
        str(tmp_path / "out" / "head.safetensors"),
        str(tmp_path / "out" / "head.json"),
    ]
    assert (tmp_path / "out" / "head.safetensors").stat().st_size > 0


@pytest.mark.usefixtures("filled")
def test_export__tilde_that_no_shell_expands(
    retrain: Retrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--to=~/heads` is in the home, not in a folder called `~`."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    version = retrain("--json").json["version"]
    done = retrain("export", version, "--to=~/heads")
    assert done.out.splitlines()[0] == str(tmp_path / "user" / "heads" / "head.safetensors")
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 1, "gallery 'default' does not exist yet: add references with `ingest add`"),
        (("list",), 1, "does not exist yet"),
        (("--gallery", "g", "list"), 2, "--gallery stands before the command"),
        (("--min-new", "0"), 2, "min-new"),
        (("show",), 2, "VERSION"),
    ],
)
def test_mistakes__one_message_and_an_exit_code(
    retrain: Retrain, arguments: Sequence[str], code: int, message: str
) -> None:
    """No traceback: what happened and what to do."""
    done = retrain(*arguments)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("filled")
def test_list__before_the_first_head_says_so(retrain: Retrain) -> None:
    """Nothing on standard output, a hint on standard error."""
    done = retrain("list")
    assert done.code == 0
    assert done.out == ""
    assert "has no trained head yet: run `retrain`" in done.err


def test_retrain__gallery_in_use_by_another_retrain(
    open_store: Callable[..., VectorStore],
) -> None:
    """On the embedded store too, the second retrain says that another one is running."""
    open_store(command="retrain")
    done = python()
    assert done.returncode == 1
    assert "another retrain is running on gallery 'default'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help__loads_nothing_heavy() -> None:
    """`retrain --help` imports none of the heavy libraries."""
    program = (
        "import sys; from head.cli import app; app(args=['--help'], standalone_mode=False); "
        "heavy = {'torch', 'timm', 'sklearn', 'scipy', 'numpy', 'pydantic', 'qdrant_client', "
        "'qdrant_edge'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help__documents_the_exit_codes() -> None:
    """What cron needs to know stands in the help."""
    text = " ".join(CliRunner().invoke(cli.app, ["--help"]).output.split())
    assert "3 a head was trained but held" in text
