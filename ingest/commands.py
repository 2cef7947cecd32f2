"""What `ingest add` does once its options are read: find, open, run, report, exit code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holotype import console
from holotype.access import Access
from holotype.encoder import quick_start
from holotype.errors import HolotypeError, UsageError
from holotype.images.finding import IMAGE_SUFFIXES
from holotype.intake.incoming import Source
from holotype.intake.manifest import Manifest
from holotype.intake.sources import source_of
from holotype.intake.words import clean_meta
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.references import MAX_META_KEYS
from ingest import opening
from ingest.adding import follow
from ingest.classes_first import say_classes
from ingest.interrupt import finishing_what_is_in_hand
from ingest.known_files.cache import open_hashes
from ingest.known_files.interface import Hashes, NoHashes
from ingest.pipeline import outcomes
from ingest.report import Report
from ingest.summary import DUPLICATE, Summary
from ingest.thin_classes import say_thin_classes
from ingest.vectors import vector_adder

if TYPE_CHECKING:
    from holotype.intake.vector_file import VectorFile
    from holotype.settings import Settings

_DUPLICATES_SAID = 10
"""The others are counted, and in the report."""

Stream = Generator[list[FileOutcome], None, None]
"""Outcomes, some at a time."""


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How to add, apart from what."""

    dry_run: bool = False
    on_conflict: OnConflict = OnConflict.ERROR
    max_failures: int | None = None
    report: Path | None = None
    as_json: bool = False


def read_source(
    paths: Sequence[Path],
    *,
    label: str | None,
    manifest: Path | None,
    group: str | None,
    assignments: Sequence[str],
    splits_are_classes: bool = False,
    max_meta_keys: int = MAX_META_KEYS,
    root: Path | None = None,
) -> Source:
    """The pictures that the command line names.

    Raises:
        UsageError: the options do not fit together, or a path does not exist.
    """
    found = source_of(
        paths,
        label=label,
        manifest=manifest,
        group=group,
        meta=read_assignments(assignments),
        splits_are_classes=splits_are_classes,
        max_meta_keys=max_meta_keys,
        root=root,
    )
    if isinstance(found, Manifest):
        for notice in found.notices:
            console.say(f"notice: {found.file}: {notice}")
    return found


def read_vectors(file: Path, *, assignments: Sequence[str]) -> VectorFile:
    """The vectors of a file, whose reader only this way needs.

    Raises:
        UsageError: see `VectorFile`.
    """
    from holotype.intake.vector_file import VectorFile

    return VectorFile(file, meta=read_assignments(assignments))


def read_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """`--set key=value`, repeated, as metadata.

    Raises:
        UsageError: one has no `=`, or a malformed key.
    """
    pairs: dict[str, str] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"cannot read --set {text!r}: write key=value")
        pairs[key.strip()] = value.strip()
    return clean_meta(pairs)


def run_add(found: Source, settings: Settings, options: AddOptions) -> int:
    """`ingest add`: report every file as its outcome is certain; returns the exit code."""
    _require_some(found)

    def begin(access: Access, during: ExitStack) -> Stream:
        say_classes(found, access, dry_run=options.dry_run)
        backend = (opening.dry_backend_of if options.dry_run else opening.backend_of)(access)
        hashes: Hashes = NoHashes()
        if not options.dry_run:
            hashes = during.enter_context(open_hashes(opening.hash_file(settings)))
        return outcomes(
            found,
            backend,
            policy=options.on_conflict,
            workers=opening.worker_count(settings),
            hashes=hashes,
        )

    return _run(found, settings, options, begin, unit="images")


def run_add_vectors(
    found: VectorFile, settings: Settings, options: AddOptions, *, space: str | None
) -> int:
    """`ingest add --vectors`: the same for vectors that come from elsewhere."""

    def begin(access: Access, _: ExitStack) -> Stream:
        exported = found.fingerprint
        if exported is not None and space not in {None, exported.space}:
            raise UsageError(f"{found.file} holds {exported.describe()}: leave out --space")
        wanted = access.space(space, first=found.dimension, exported=exported)
        add = vector_adder(
            access,
            wanted,
            options.on_conflict,
            dry_run=options.dry_run,
            exported=exported is not None,
        )
        return (add(rows) for rows in found.incoming(wanted))

    return _run(found, settings, options, begin, unit="vectors")


def _run(
    found: Source | VectorFile,
    settings: Settings,
    options: AddOptions,
    begin: Callable[[Access, ExitStack], Stream],
    *,
    unit: str,
) -> int:
    """Report every outcome of a run as it is certain; returns the exit code.

    Args:
        found: what is to be added.
        settings: which gallery.
        options: how.
        begin: opens what the run needs, and gives its outcomes.
        unit: what is counted.
    """
    summary = Summary(left_out=found.left_out)
    with ExitStack() as during:
        report = during.enter_context(Report(options.report)) if options.report else None
        access = during.enter_context(
            Access(settings, command="ingest add", load=quick_start.load_quickly)
        )
        stream = begin(access, during)
        during.enter_context(finishing_what_is_in_hand())
        afterwards = during.enter_context(ExitStack())  # what is said after the summary
        # After everything else that may end the run, so that what was done is always said.
        during.callback(_say_summary, summary, settings.gallery, dry_run=options.dry_run, unit=unit)
        bar = during.enter_context(console.progress("adding", unit))
        threading.Thread(target=_count, args=(found, bar), daemon=True).start()

        def listen(outcome: FileOutcome) -> None:
            if report is not None:
                report.write(outcome)
            if options.as_json:
                console.out_json(outcome.to_dict())
            if outcome.is_duplicate and summary.notes[DUPLICATE] <= _DUPLICATES_SAID:
                console.say(f"{outcome.source}: {outcome.reason}")
            if outcome.outcome.is_failure:
                console.say(f"{_words(outcome.outcome)}: {outcome.source}: {outcome.reason}")

        follow(
            stream,
            max_failures=options.max_failures,
            listen=listen,
            advance=bar.advance,
            summary=summary,
        )
        access.export_encoder()
        if not options.as_json and summary.counts[Outcome.ADDED]:
            afterwards.callback(say_thin_classes, access.gallery)
    if options.as_json:
        console.out_json({"summary": summary.to_dict()})
    return summary.exit_code


def _require_some(found: Source) -> None:
    """Before an encoder is loaded or a gallery is made for nothing."""
    if next(iter(found), None) is None:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        for line in found.left_out.lines():
            console.say(line)
        raise HolotypeError(f"nothing to add: no images were found (looked for {suffixes})")


def _count(found: Source | VectorFile, bar: console.Progress) -> None:
    """How many there are, for the remaining time; counted beside the work, kept by nobody."""
    try:
        bar.set_total(found.count())
    except HolotypeError:
        return  # the run meets the same error and reports it


def _say_summary(summary: Summary, gallery: str, *, dry_run: bool, unit: str) -> None:
    for line in summary.lines():
        console.say(line)
    if summary.stopped is not None:
        console.say(f"given up: {summary.stopped}; what was added stays")
    if dry_run:
        console.say(f"a dry run: gallery {gallery!r} is as it was")
    elif summary.total and summary.counts[Outcome.ALREADY_PRESENT] == summary.total:
        console.say(f"nothing was embedded: all of them are in gallery {gallery!r} already")
    elif summary.counts[Outcome.ADDED]:
        rate = summary.counts[Outcome.ADDED] / max(summary.seconds, 1e-9)
        console.say(
            f"{summary.counts[Outcome.ADDED]} references were added to gallery {gallery!r} "
            f"in {summary.seconds:.1f} s ({rate:.1f} {unit}/s)"
        )


def _words(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")
