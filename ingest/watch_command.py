"""What `ingest watch` does once its options are read."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from holotype import console
from holotype.encoder.quick_start import load_quickly
from holotype.errors import UsageError
from holotype.intake.folders import Folders
from holotype.intake.groups import GroupRule, parse_group
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from ingest import opening
from ingest.inbox import Inbox
from ingest.interrupt import finishing_what_is_in_hand
from ingest.known_files.cache import open_hashes
from ingest.report import Journal
from ingest.watching import FolderWatcher

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from ingest.backend import Backend


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How to watch, apart from what."""

    every_s: float = 2.0
    group: GroupRule = field(default_factory=lambda: parse_group(None))
    meta: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    splits_are_classes: bool = False
    on_conflict: OnConflict = OnConflict.ERROR
    report: Path | None = None
    as_json: bool = False


def run_watch(folder: Path, settings: Settings, options: WatchOptions) -> None:
    """`ingest watch`: until Ctrl-C or SIGTERM."""
    if not folder.is_dir():
        raise UsageError(f"no such folder: {folder}")
    with ExitStack() as during:
        journal = during.enter_context(Journal(options.report)) if options.report else None

        def listen(outcome: FileOutcome) -> None:
            if journal is not None:
                journal.write(outcome)
            if outcome.outcome is not Outcome.ALREADY_PRESENT:
                console.say(_line(outcome))
            if options.as_json:
                console.out_json(outcome.to_dict())
                sys.stdout.flush()

        found = Folders(
            [folder],
            group=options.group,
            meta=options.meta,
            may_be_empty=True,
            splits_are_classes=options.splits_are_classes,
            root=options.root,
        )
        watcher = FolderWatcher(
            inbox=Inbox(found),
            open_backend=_opener(settings),
            listen=listen,
            say=console.say,
            on_conflict=options.on_conflict,
            workers=opening.worker_count(settings),
            hashes=during.enter_context(open_hashes(opening.hash_file(settings))),
        )
        during.enter_context(finishing_what_is_in_hand(signal.SIGTERM))
        console.say(f"watching {folder} for gallery {settings.gallery!r}; Ctrl-C stops")
        try:
            watcher.run(every_s=options.every_s, wait=_rest)
        except KeyboardInterrupt:
            console.say("stopped watching")


def _opener(settings: Settings) -> Callable[[], AbstractContextManager[Backend]]:
    """Opens the gallery as often as asked, and loads the encoder once."""
    loaded: list[Encoder] = []

    def load(settings: Settings) -> Encoder:
        if not loaded:
            loaded.append(load_quickly(settings))
        return loaded[0]

    return lambda: opening.open_backend(settings, command="ingest watch", load=load)


def _rest(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _line(outcome: FileOutcome) -> str:
    word = outcome.outcome.value.replace("_", " ")
    label = f" as {outcome.label!r}" if outcome.label else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{word}: {outcome.source}{label}{reason}"
