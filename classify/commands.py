"""What the commands do once their options are read: open, check, run, print, exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from classify.answering.classifier import Classifier
from classify.answering.queries import find_sources
from classify.answering.query import classify_images
from holotype import console
from holotype.encoder.quick_start import load_quickly
from holotype.errors import FingerprintMismatch
from holotype.gallery import connect
from holotype.images.finding import LeftOut
from holotype.store.factory import open_store

if TYPE_CHECKING:
    from classify.answering.answers import QueryResult
    from classify.answering.options import QueryOptions
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings
    from holotype.store.port import VectorStore


def run_query(
    images: list[str],
    settings: Settings,
    options: QueryOptions,
    *,
    as_json: bool,
) -> int:
    """`classify query`: print a result per image as it is known; returns the exit code."""
    left_out = LeftOut()
    sources = list(find_sources(images, stdin=sys.stdin.buffer.read, left_out=left_out))
    if left_out.kinds:
        console.say(f"notice: {left_out}")
    show = _json_line if as_json else _for_people()
    service = connect(settings)
    if service is not None:
        from classify.remote import classify_remotely

        with service:
            results = classify_remotely(sources, service, options)
            return print_results(results, total=len(sources), show=show)
    with open_store(settings, fingerprint=None, command="classify query") as store:
        classifier = Classifier(store)
        classifier.candidates(options)  # what cannot be answered is said before weights load
        encoder = open_encoder(settings, store)
        results = classify_images(
            sources,
            encoder=encoder,
            classifier=classifier,
            options=options,
            batch_size=encoder.batch_size,
            workers=settings.workers or os.cpu_count() or 1,
        )
        return print_results(results, total=len(sources), show=show)


def print_results(
    results: Iterable[QueryResult], *, total: int, show: Callable[[QueryResult], None]
) -> int:
    """Show each result, name each problem and each new notice; returns the exit code."""
    said: set[str] = set()
    failed = 0
    with console.progress("classified", "images", quiet=sys.stdout.isatty()) as progress:
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


def _for_people() -> Callable[[QueryResult], None]:
    from classify.render import Renderer  # rich, which --json needs not

    return Renderer().show


def _json_line(result: QueryResult) -> None:
    console.out_json(result.to_dict())
    sys.stdout.flush()


def open_encoder(settings: Settings, store: VectorStore) -> Encoder:
    """The encoder of the settings.

    Raises:
        FingerprintMismatch: the store holds vectors of another one.
    """
    encoder = load_quickly(settings)
    if store.fingerprint != encoder.fingerprint:
        raise FingerprintMismatch(store.gallery, store.fingerprint, encoder.fingerprint)
    return encoder
