"""The command line of a bundle: `python FILE.holotype IMAGE...`.

Made with argparse, of the same options as `classify query`: where a bundle runs there is nothing
but Python, ONNX Runtime, NumPy and Pillow.
"""

from __future__ import annotations

import argparse
import os
import sys
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from classify.answering.modes import Mode
from classify.answering.options import Option, QueryOptions, query_options
from classify.answering.queries import find_sources
from classify.bundle.about import about
from classify.bundle.archive import BundleReader
from classify.bundle.contents import thumbnail
from classify.bundle.opened import Bundle, open_bundle
from classify.bundle.page import EvidencePage
from classify.bundle.table import Table
from holotype.characters import printable, printable_json
from holotype.errors import HolotypeError
from holotype.images.finding import LeftOut

if typing.TYPE_CHECKING:
    from classify.answering.answers import QueryResult
    from classify.answering.queries import QueryFile

DONE, NOTHING_DONE, SOME_FAILED, INTERRUPTED = 0, 1, 3, 130
"""Exit codes, as in `holotype.console`."""

LEFT_OUT = ("where",)
"""Options that make no sense with a sample."""


def main(arguments: Sequence[str], *, bundle: str) -> int:
    """Answer what the command line asks; returns the exit code."""
    parser = _parser(bundle)
    given = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        options = _options(given)
        opened = open_bundle(Path(bundle), threads=given.threads)
        if given.about or not given.images:
            _out(about(opened.contents))
            return DONE
        with ExitStack() as during:
            sources = _sources(given.images)
            shows = [_shown(opened, sources, as_json=given.json)]
            if given.html is not None:
                reader = during.enter_context(BundleReader(Path(bundle)))
                page = EvidencePage(
                    given.html, gallery=opened.gallery, thumbnail=partial(thumbnail, reader)
                )
                shows.append(during.enter_context(page).add)
            return _answer(opened, sources, options, shows)
    except HolotypeError as error:
        say(f"error: {error}")
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or closing it fails again
        return NOTHING_DONE
    except OSError as error:  # a full disk
        say(f"error: cannot write standard output ({error.strerror or error})")
        return NOTHING_DONE
    except KeyboardInterrupt:
        return INTERRUPTED


def _answer(
    bundle: Bundle,
    sources: Sequence[QueryFile],
    options: QueryOptions,
    shows: Sequence[Callable[[QueryResult], None]],
) -> int:
    """Show the answer to each image as it is known; returns the exit code."""
    said: set[str] = set()
    failed = 0
    for result in bundle.classify(sources, options, thumbnails=len(shows) > 1):
        for show in shows:
            show(result)
        if result.answer is None:
            failed += 1
            say(f"not classified: {result.query}: {result.problem}")
            continue
        for notice in [n for n in result.answer.notices if n not in said]:
            said.add(notice)
            say(f"notice: {notice}")
    if not failed:
        return DONE
    return SOME_FAILED if failed < len(sources) else NOTHING_DONE


def say(message: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{printable(message)}\n")


def _sources(images: Sequence[str]) -> list[QueryFile]:
    left_out = LeftOut()
    sources = list(find_sources(images, stdin=sys.stdin.buffer.read, left_out=left_out))
    if left_out.kinds:
        say(f"notice: {left_out}")
    return sources


def _shown(
    bundle: Bundle, sources: Sequence[QueryFile], *, as_json: bool
) -> Callable[[QueryResult], None]:
    """What prints a result."""
    if as_json:
        return lambda result: _out(printable_json(result.to_dict()))
    table = Table(queries=[source.name for source in sources], labels=bundle.counts())
    _out(table.heading)

    def show(result: QueryResult) -> None:
        if result.answer is not None:
            _out(table.row(result.query, result.answer))

    return show


def _out(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser(bundle: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python {Path(bundle).name}",
        description="Name what is in a picture, offline, by a gallery that was sealed into this "
        "file. Without a picture it says what it is.",
    )
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="files, folders, patterns, or - for standard input",
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON a query")
    parser.add_argument("--html", type=Path, metavar="FILE", help="a page with the evidence")
    parser.add_argument("--about", action="store_true", help="what this file is, and its licences")
    parser.add_argument(
        "--threads", type=int, default=0, help="of the encoder (default: all cores)"
    )
    for option in asked():
        parser.add_argument(*option.flags, dest=option.name, **_argument(option))
    return parser


def asked() -> list[Option]:
    """The options of a query that a bundle takes."""
    return [option for option in query_options() if option.name not in LEFT_OUT]


def _argument(option: Option) -> dict[str, Any]:
    kind = _kind(option.type)
    if kind is bool:
        return {"action": "store_true", "help": option.help}
    default = Mode.LINEAR if option.name == "mode" else option.default
    if issubclass(kind, StrEnum):
        return {"type": partial(_choice, kind), "metavar": f"{{{','.join(kind)}}}",
                "default": default, "help": option.help}  # fmt: skip
    shown = option.help.replace("%", "%%")
    if default is not None and not shown.endswith(")."):
        shown = f"{shown} (default: {default})"
    return {"type": kind, "default": default, "help": shown}


def _choice(kind: type[StrEnum], text: str) -> StrEnum:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(kind)}") from None


def _kind(hint: Any) -> type:
    """The type in `type | None`."""
    if isinstance(hint, types.UnionType):
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    assert isinstance(hint, type)
    return hint


def _options(given: argparse.Namespace) -> QueryOptions:
    return QueryOptions(**{option.name: getattr(given, option.name) for option in asked()})
