"""What reaches a terminal: names that somebody else chose act on nothing."""

from __future__ import annotations

import json
import logging
import sys

import pytest
import typer
from rich.table import Table
from rich.text import Text

from holotype import console

NAME = "evil\x1b]0;owned\x07\n\x9b31m\u202egpj.png"
SHOWN = r"evil\x1b]0;owned\x07\n\x9b31m\u202egpj.png"


def test_lines__are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Notices and data for people are one line each, whatever a file is called."""
    console.say(f"broken: {NAME}")
    console.out(NAME)
    said = capsys.readouterr()
    assert said.err == f"broken: {SHOWN}\n"
    assert said.out == f"{SHOWN}\n"


def test_json__is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get the name itself, on a line that a terminal only shows."""
    console.out_json({"source": NAME})
    line = capsys.readouterr().out
    assert json.loads(line) == {"source": NAME}
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_for_people__tables_and_styled_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells and words are escaped and are no markup; styles stay with their words."""
    page = console.for_people()
    table = Table("label", NAME)
    table.add_row("[red]Apis[/red] :bug:", NAME)
    page.print(table)
    page.print(NAME)
    page.print(Text.assemble((NAME, "bold"), "  plain"))  # the bell, rich leaves out by itself
    shown = capsys.readouterr().out
    assert shown.count(SHOWN) == 3
    assert SHOWN.replace(r"\x07", "") + "  plain\n" in shown
    assert "[red]Apis[/red] :bug:" in shown
    assert all(c == "\n" or c.isprintable() for c in shown)


def test_for_people__styles_keep_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, a name that is bold is bold to its end and no further."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    page = console.for_people()
    with page.capture() as captured:
        page.print(Text.assemble(("a\x1bb", "bold"), "c"), end="")
    assert captured.get() == "\x1b[1ma\\x1bb\x1b[0mc"


def test_question__is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is asked before something is removed is shown in the same way."""
    asked: list[str] = []

    def confirm(text: str, *, err: bool) -> bool:
        assert err
        asked.append(text)
        return True

    monkeypatch.setattr(typer, "confirm", confirm)
    assert console.confirmed(f"Remove {NAME}?")
    assert asked == [f"Remove {SHOWN}?"]


def test_usage_errors__show_arguments_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that a shell's pattern brought into the wrong command is shown, not obeyed."""
    app = typer.Typer()

    @app.command("list")
    def list_() -> None:
        pass

    @app.command()
    def other() -> None:
        pass

    monkeypatch.setattr(sys, "argv", ["program", "list", NAME])
    with pytest.raises(SystemExit) as ended:
        console.run(app)
    said = capsys.readouterr().err
    assert ended.value.code == console.EXIT_USAGE
    assert r"evil\x1b]0;owned\x07" in said
    assert not {"\x1b", "\x07", "\x9b"} & set(said)


def test_log_lines__are_one_line() -> None:
    """What a client sent cannot write entries of its own into the log."""
    record = logging.LogRecord("service", logging.WARNING, "", 0, "no file %s", (NAME,), None)
    assert console.LogLine("%(message)s").format(record) == f"no file {SHOWN}"
