"""What the three command lines share: exit codes, streams, progress, setting options.

Data goes to standard output, everything else to standard error. A command's exit code is
0 (all done), 3 (done, but some items failed), 2 (wrong usage) or 1 (nothing useful could
be done).

Nothing that somebody else named reaches a terminal raw: `say`, `out`, `confirmed`,
`for_people` and `LogLine` show everything as `holotype.characters.printable` has it; what it
says of wrong usage, typer escapes by itself. JSON stays exact.
"""

from __future__ import annotations

import functools
import inspect
import io
import itertools
import logging
import os
import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from holotype.characters import printable, printable_ascii_json, printable_json
from holotype.errors import HolotypeError, OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from holotype.settings import Settings

EXIT_DONE, EXIT_NOTHING_DONE, EXIT_USAGE, EXIT_SOME_FAILED = 0, 1, 2, 3
EXIT_INTERRUPTED = 130

INTERRUPTED = "interrupted: everything reported as done is kept; the same command finishes the rest"

_ENCODER = "Encoder"
_STORE = "Store"
_SERVICE = "Service"
_SERVING = "Serving"


def _option(panel: str, name: str, help_text: str) -> Any:
    return typer.Option(
        f"--{name.replace('_', '-')}",
        envvar=f"HOLOTYPE_{name.upper()}",
        help=help_text,
        rich_help_panel=panel,
        show_default=False,
    )


# One definition of every setting that is an option of some command. Types are the loose ones
# of the command line; `Settings.load` validates.
_OPTIONS: dict[str, tuple[str, type, str]] = {
    "backbone": (
        _ENCODER,
        str,
        "Any timm network (default: the gallery's, or DINOv2 ViT-S/14).",
    ),
    "checkpoint": (_ENCODER, Path, "Weights from a file (default: the gallery's, or the hub's)."),
    "image_size": (
        _ENCODER,
        int,
        "Side of its input in pixels (default: the gallery's, or native).",
    ),
    "pooling": (_ENCODER, str, "cls, mean or cls+mean (default: the gallery's, or cls)."),
    "device": (_ENCODER, str, "auto, cuda, mps or cpu (default: auto)."),
    "precision": (_ENCODER, str, "auto, fp32 or bf16 (default: auto; bf16 on CUDA only)."),
    "batch_size": (_ENCODER, int, "Images per forward pass (default: 32, on CUDA 128)."),
    "compile": (_ENCODER, bool, "Compile the network first: a minute, for long runs on CUDA."),
    "max_megapixels": (
        _ENCODER,
        int,
        "Largest picture that is read, at the size that is needed (default: 89).",
    ),
    "workers": (_ENCODER, int, "Decoding threads (default: number of cores)."),
    "home": (_STORE, Path, "Where the embedded store lives."),
    "gallery": (_STORE, str, "Name of the gallery (default: default)."),
    "min_free_mb": (_STORE, int, "MiB of its disk that stay free (default: 256)."),
    "qdrant_url": (_STORE, str, "A Qdrant server instead of the embedded store."),
    "server": (_SERVICE, str, "URL of a running service to talk to."),
    "host": (_SERVING, str, "Address to listen on (default: 127.0.0.1)."),
    "port": (_SERVING, int, "Port to listen on; 0: any free one (default: 8000)."),
    "max_body_mb": (_SERVING, int, "Largest request, MiB (default: 64)."),
    "max_images": (_SERVING, int, "Images in one request (default: 64)."),
    "queue_length": (_SERVING, int, "Images under way before requests get 503 (default: 256)."),
    "batch_window_ms": (
        _SERVING,
        float,
        "How long an idle encoder waits for a second image (default: 2).",
    ),
    "keep_queries": (
        _SERVING,
        int,
        "Queries in doubt that are kept for review (default: 0, none).",
    ),
}
ENCODER_OPTIONS = tuple(name for name, (panel, _, _) in _OPTIONS.items() if panel == _ENCODER)
STORE_OPTIONS = tuple(name for name, (panel, _, _) in _OPTIONS.items() if panel == _STORE)
SERVICE_OPTIONS = tuple(name for name, (panel, _, _) in _OPTIONS.items() if panel == _SERVICE)
SERVING_OPTIONS = tuple(name for name, (panel, _, _) in _OPTIONS.items() if panel == _SERVING)


def takes_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options `names` and one keyword argument `settings` made of them.

    The command's own signature declares `settings: Settings`; typer sees the options instead.
    """

    def load(**values: Any) -> Settings:
        from holotype.settings import Settings  # building it costs pydantic

        return Settings.load(**values)

    return takes("settings", [_parameter(name) for name in names], load)


def takes(
    argument: str, options: Sequence[inspect.Parameter], make: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command `options` on its command line, and one keyword argument made of them.

    Args:
        argument: its name; the command's own signature declares it.
        options: what typer sees instead.
        make: called with their values.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        # Commands import Settings for type checkers only.
        hints = typing.get_type_hints(command, localns={"Settings": Any}, include_extras=True)
        own = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[p.name])
            for p in inspect.signature(command).parameters.values()
            if p.name != argument
        ]

        # The command line is the one place where arguments are passed through by name.
        @functools.wraps(command)
        def with_argument(**values: Any) -> Any:
            made = make(**{option.name: values.pop(option.name) for option in options})
            return command(**{argument: made}, **values)

        del with_argument.__wrapped__  # typer would look through it
        parameters = [*own, *options]
        with_argument.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_argument.__annotations__ = {p.name: p.annotation for p in parameters}
        return with_argument

    return decorate


def _parameter(name: str) -> inspect.Parameter:
    panel, kind, help_text = _OPTIONS[name]
    annotation: Any = Annotated[cast("Any", kind) | None, _option(panel, name, help_text)]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out(f"holotype {version('holotype')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
]
"""The option of all three command lines; what it does is done before the command begins."""


class LogLine(logging.Formatter):
    """A log entry is one line, whatever was asked by whom; tracebacks follow it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  its name in logging
        """The line itself."""
        return printable(super().formatMessage(record))


def run(app: typer.Typer) -> None:
    """Run a command line; errors become one message and an exit code.

    `--debug` anywhere on the line shows the traceback instead, and what was decided on the way.
    """
    arguments = [_expanded(a) for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        with _standard_output(), _decisions() if debug else nullcontext():
            app(args=arguments)
    except HolotypeError as error:
        if debug:
            raise
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say(INTERRUPTED)
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as ended:
        if ended.code == EXIT_INTERRUPTED:  # what typer makes of Ctrl-C, without a word
            say(INTERRUPTED)
        raise


@contextmanager
def _decisions() -> Iterator[None]:
    """Show what the library's log says of them."""
    handler, log = logging.StreamHandler(), logging.getLogger("holotype")
    handler.setFormatter(LogLine("debug: %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def _expanded(argument: str) -> str:
    """Shells take the tilde of `--to ~/heads` for the home, and leave that of `--to=~/heads`."""
    option, equals, value = argument.partition("=")
    if not equals or not option.startswith("--") or not value.startswith("~/"):
        return argument
    return f"{option}={os.path.expanduser(value)}"  # noqa: PTH111  without a home it stays


class _Output(io.TextIOWrapper):
    """Standard output whose failures are ours: whoever writes to it meets an `OutputError`.

    What its encoding cannot spell is escaped.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise self._lost(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise self._lost(error) from error

    def _lost(self, error: OSError) -> OutputError:
        # What is still in the buffers goes nowhere, or the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        return OutputError("to standard output", error)


@contextmanager
def _standard_output() -> Iterator[None]:
    before = sys.stdout
    if before is None:  # closed by whoever started this: nobody wants to read
        before = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  as long as the process
    sys.stdout = _Output(
        before.buffer,
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=bool(before.line_buffering),
    )
    try:
        yield
    finally:
        output, sys.stdout = sys.stdout, before
        try:
            output.flush()
        finally:
            output.detach()


def say(message: str) -> None:
    """One line for people, on standard error. That nobody can read it ends no work."""
    with suppress(OSError):
        sys.stderr.write(printable(message) + "\n")
        sys.stderr.flush()


def say_json(data: Any) -> None:
    """One line of JSON on standard error, for machines that follow a run. It ends no work."""
    with suppress(OSError):
        sys.stderr.write(printable_ascii_json(data) + "\n")
        sys.stderr.flush()


def out(text: str) -> None:
    """One line of data, on standard output."""
    sys.stdout.write(printable(text) + "\n")


def out_json(data: Any) -> None:
    """One line of JSON on standard output, exact, whatever its encoding can spell."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.write((printable_json(data) if is_utf8 else printable_ascii_json(data)) + "\n")


def counted(count: int, what: str) -> str:
    """`1 reference`, `2 references`."""
    return f"{count} {what}" + ("" if count == 1 else "s")


def confirmed(question: str) -> bool:
    """Ask on the terminal; no unless the answer is yes."""
    return typer.confirm(printable(question), err=True)


def for_people(*, soft_wrap: bool = True) -> Console:
    """Tables and styled text on standard output: nothing in them is markup, or acts.

    Args:
        soft_wrap: leave long lines to the terminal to wrap.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Span, Text

    class Careful(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(printable(text), **how)

        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            if isinstance(renderable, Text):
                shown = [printable(character) for character in renderable.plain]
                at = list(itertools.accumulate(map(len, shown), initial=0))
                spans = [Span(at[s.start], at[s.end], s.style) for s in renderable.spans]
                renderable = renderable.blank_copy("".join(shown))
                renderable.spans = spans
            return super().render(renderable, options)

    return Careful(highlight=False, markup=False, emoji=False, soft_wrap=soft_wrap)


class Progress:
    """Counts done of total; drawn by `progress`."""

    def __init__(self, update: Callable[[int, int | None], None]) -> None:
        self._update = update
        self._done = 0
        self._total: int | None = None

    def set_total(self, total: int) -> None:
        """How many there will be, once that is known."""
        self._total = total
        self._update(self._done, self._total)

    def advance(self, n: int = 1) -> None:
        """Some more are done."""
        self.at(self._done + n, self._total)

    def at(self, done: int, total: int | None) -> None:
        """So many are done, of so many."""
        self._done, self._total = done, total
        self._update(done, total)


@contextmanager
def progress(what: str, unit: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A bar with rate and remaining time on a terminal, a line every few seconds elsewhere."""
    if quiet:
        yield Progress(lambda _done, _total: None)
    elif sys.stderr.isatty():
        with _bar(what, unit) as bar:
            yield bar
    else:
        yield Progress(_plain_lines(what, unit))


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Rate(ProgressColumn):
        """Items per second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} {unit}/s" if task.speed else "")

    bar = RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=False,  # data would be drawn on standard error
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield Progress(lambda done, total: bar.update(task, completed=done, total=total))


def _plain_lines(
    what: str, unit: str, *, every_s: float = 5.0
) -> Callable[[int, int | None], None]:
    started = time.monotonic()
    last = started

    def update(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < every_s:
            return
        last = now
        rate = done / (now - started)
        of = f"/{total}" if total else ""
        left = f", {max(total - done, 0) / rate:.0f} s left" if total and rate else ""
        say(f"{what}: {done}{of}, {rate:.1f} {unit}/s{left}")

    return update
