"""What the commands do once their options are read: open, check, run, print, exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from classify.answer_files import Show, answers_to_csv, answers_to_parquet
from classify.answering.queries import STANDARD_INPUT, QueryFile, find_sources, listed_sources
from classify.opening import classify_through
from classify.sorting import UNKNOWN, UNSURE, Sorter, folder_name, folder_of
from holotype import console
from holotype.access import Access
from holotype.encoder import quick_start
from holotype.errors import UsageError
from holotype.images.finding import LeftOut
from holotype.labels import known_label

if TYPE_CHECKING:
    from classify.answering.answers import QueryResult
    from classify.answering.options import QueryOptions
    from holotype.settings import Settings


@dataclass(frozen=True, slots=True)
class Output:
    """Where answers go. Each of these may be wanted beside the others."""

    as_json: bool = False
    csv: Path | None = None
    parquet: Path | None = None
    sort_into: Path | None = None
    copy: bool = False
    paths_only: str | None = None
    """A label, or `_unsure` or `_unknown`: only the paths of its queries are printed."""
    null: bool = False
    """A zero byte ends each path, not a line feed."""

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            UsageError: it does not.
        """
        if self.as_json and self.paths_only is not None:
            raise UsageError("--json and --paths-only both print to standard output: name one")
        if self.null and self.paths_only is None:
            raise UsageError("-0 ends the paths of --paths-only LABEL: name the label")
        if self.copy and self.sort_into is None:
            raise UsageError("--copy is how --sort-into DIR sorts: name the folder")
        for file in filter(None, (self.csv, self.parquet)):
            if not file.absolute().parent.is_dir():
                raise UsageError(f"cannot write {file}: there is no folder {file.parent}")

    @property
    def is_kept(self) -> bool:
        """Whether answers go to files: who asked for that is not shown each of them."""
        return any(one is not None for one in (self.csv, self.parquet, self.sort_into))


def run_query(
    images: Sequence[str],
    settings: Settings,
    options: QueryOptions,
    output: Output,
    *,
    from_list: str | None = None,
    bundle: Path | None = None,
) -> int:
    """`classify query`: show, write and sort each result as it is known; returns the exit code.

    Args:
        images: files, folders, patterns.
        settings: of the gallery.
        options: apply to all queries.
        output: where answers go.
        from_list: a file of more paths.
        bundle: a sealed one, which answers instead of the gallery.

    Raises:
        UsageError: what was asked for does not fit together.
        HolotypeError: nothing can be answered.
    """
    output.check()
    left_out = LeftOut()
    sources = _sources(images, from_list, left_out)
    if output.sort_into is not None and any(s.name == STANDARD_INPUT for s in sources):
        raise UsageError("--sort-into takes files, and standard input ('-') is none")
    if left_out.kinds:
        console.say(f"notice: {left_out}")
    with ExitStack() as during:
        if bundle is None:
            access = during.enter_context(
                Access(settings, command="classify query", load=quick_start.load_quickly)
            )
            on_screen = _shown(output, lambda: access.gallery)
            results = iter(classify_through(access, sources, options))
        else:
            from classify.bundle.command import open_installed

            sealed = open_installed(bundle)
            on_screen = _shown(output, lambda: sealed)
            results = sealed.classify(sources, options)
        first = list(islice(results, 1))  # what cannot be answered at all begins no file
        shows = [on_screen, *_kept(output, during)]

        def show(result: QueryResult) -> None:
            for one in shows:
                one(result)

        # A bar would stand between answers; where they go to files it is all there is to see.
        quiet = sys.stdout.isatty() and (on_screen is not _silently)
        code = print_results(chain(first, results), total=len(sources), show=show, quiet=quiet)
        if bundle is None:
            access.export_encoder()  # for the next time
        return code


def print_results(
    results: Iterable[QueryResult],
    *,
    total: int,
    show: Callable[[QueryResult], None],
    quiet: bool,
) -> int:
    """Show each result, name each problem and each new notice; returns the exit code."""
    said: set[str] = set()
    failed = 0
    with console.progress("classified", "images", quiet=quiet) as progress:
        progress.set_total(total)
        for result in results:
            show(result)
            progress.advance()
            if result.answer is None:
                failed += 1
                console.say(f"not classified: {result.query}: {result.problem}")
                continue
            for notice in result.answer.notices:
                if notice not in said:
                    said.add(notice)
                    console.say(f"notice: {notice}")
    if failed and total > 1:
        console.say(f"{failed} of {total} images could not be classified")
    if not failed:
        return console.EXIT_DONE
    return console.EXIT_SOME_FAILED if failed < total else console.EXIT_NOTHING_DONE


def _sources(images: Sequence[str], from_list: str | None, left_out: LeftOut) -> list[QueryFile]:
    if from_list is None:
        if not images:
            raise UsageError("nothing to classify: name images or folders, or --from-list FILE")
        return list(find_sources(images, stdin=sys.stdin.buffer.read, left_out=left_out))
    if from_list == STANDARD_INPUT and STANDARD_INPUT in images:
        raise UsageError("standard input ('-') can be read only once")
    given = list(find_sources(images, stdin=sys.stdin.buffer.read, left_out=left_out))
    if from_list == STANDARD_INPUT:
        return [*given, *listed_sources(sys.stdin.buffer.read(), left_out=left_out)]
    try:
        listed = Path(from_list).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the list {from_list}: {error.strerror}") from error
    return [*given, *listed_sources(listed, left_out=left_out)]


class _Labelled(Protocol):
    """A gallery, or a bundle of one."""

    @property
    def gallery(self) -> str: ...
    def counts(self) -> Mapping[str, int]: ...


def _shown(output: Output, labelled: Callable[[], _Labelled]) -> Show:
    """What goes to standard output."""
    if output.as_json:
        return _json_line
    if output.paths_only is not None:
        return _path_line(output.paths_only, labelled(), end=b"\0" if output.null else b"\n")
    return _silently if output.is_kept else _for_people()


def _kept(output: Output, during: ExitStack) -> Iterable[Show]:
    """What goes to files. A run that ends early ends them, too."""
    if output.csv is not None:
        yield during.enter_context(answers_to_csv(output.csv))
    if output.parquet is not None:
        yield during.enter_context(answers_to_parquet(output.parquet))
    if output.sort_into is not None:
        sorter = Sorter(output.sort_into, copy=output.copy)
        if sorter.had_some:
            console.say(
                f"notice: {output.sort_into} is not empty, and nothing is taken out of it: a "
                "picture that was sorted otherwise before is then in both folders"
            )
        during.callback(lambda: console.say(str(sorter)))
        yield sorter.show


def _path_line(wanted: str, labelled: _Labelled, *, end: bytes) -> Show:
    chosen = {wanted}
    if wanted not in {UNSURE, UNKNOWN}:
        labels = known_label(wanted, labelled.counts(), gallery=labelled.gallery)
        chosen = {folder_name(label) for label in labels}

    def show(result: QueryResult) -> None:
        if result.answer is not None and folder_of(result.answer).parts[0] in chosen:
            sys.stdout.flush()
            sys.stdout.buffer.write(os.fsencode(result.query) + end)
            sys.stdout.flush()

    return show


def _silently(_result: QueryResult) -> None:
    """It is in a file."""


def _for_people() -> Callable[[QueryResult], None]:
    from classify.render import Renderer  # rich, which --json needs not

    return Renderer().show


def _json_line(result: QueryResult) -> None:
    console.out_json(result.to_dict())
    sys.stdout.flush()
