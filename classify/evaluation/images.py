"""Evaluation on labelled images: class folders or a manifest, every mode in one pass.

An image is encoded once; each mode then answers the same vector. A reference with the very
bytes of a query does not count as its neighbour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.modes import Mode
from classify.answering.queries import EmbeddedBatch, QueryFile, embed_images
from classify.evaluation.collect import Collector, Posed, evidence_of
from classify.evaluation.evaluation import Evaluation, Subject, UnreadableQuery
from head.data.duplicates import NEAR_DUPLICATE
from holotype.characters import uniform
from holotype.images.files import read_file

if TYPE_CHECKING:
    from classify.answering.answers import Answer
    from classify.answering.classifier import Classifier
    from classify.answering.options import QueryOptions
    from holotype.console import Progress
    from holotype.encoder.protocol import Encoder
    from holotype.intake.incoming import Incoming
    from holotype.store.port import VectorStore


@dataclass(slots=True)
class _Gathered:
    """What is known so far; row i of names and flags is query i."""

    collectors: Mapping[Mode, Collector]
    names: list[str] = field(default_factory=list)
    near_duplicate: list[bool] = field(default_factory=list)
    absent: Counter[str] = field(default_factory=Counter)
    unreadable: list[UnreadableQuery] = field(default_factory=list)
    notices: dict[str, None] = field(default_factory=dict)


def evaluate_images(
    incoming: Iterable[Incoming],
    *,
    store: VectorStore,
    classifier: Classifier,
    encoder: Encoder,
    modes: Mapping[Mode, QueryOptions],
    subject: Subject,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> Evaluation:
    """Classify labelled images in every mode.

    Args:
        incoming: from `holotype.intake.folders` or `holotype.intake.manifest`.
        store: where neighbours' thumbnails are.
        classifier: of that store.
        encoder: of that store's embedding space.
        modes: options of each; `knn` must be among them, since its neighbours are shown.
        subject: what is being evaluated.
        batch_size: images per forward pass.
        workers: decoding threads.
        progress: told of every image.
    """
    items = list(incoming)  # paths and labels alone: small
    labelled = [item for item in items if item.verdict is None]
    progress.set_total(len(labelled))
    counts = classifier.candidates(modes[Mode.KNN]).counts
    # An earlier version may have stored a label in another spelling than it has today.
    stored = {uniform(label): label for label in counts} | {label: label for label in counts}
    everything = {
        mode: replace(options, top=len(counts), exclude_self=True)
        for mode, options in modes.items()
    }
    gathered = _Gathered({mode: Collector(tuple(sorted(counts))) for mode in modes})
    gathered.unreadable += [
        UnreadableQuery(item.source, item.verdict.reason or "") for item in items if item.verdict
    ]
    truth = iter(labelled)
    sources = (_source(item) for item in labelled)
    for batch in embed_images(sources, encoder=encoder, batch_size=batch_size, workers=workers):
        labels = [next(truth).label for _ in batch.queries]
        wanted = [stored.get(label, label) for label in labels]
        _take(batch, wanted, classifier, everything, gathered)
        progress.advance(len(batch.queries))
    return _finish(gathered, subject, store)


def _source(item: Incoming) -> QueryFile:
    assert item.path is not None
    return QueryFile(item.source, partial(read_file, item.path))


def _take(
    batch: EmbeddedBatch,
    truth: Sequence[str],
    classifier: Classifier,
    modes: Mapping[Mode, QueryOptions],
    gathered: _Gathered,
) -> None:
    labelled = list(zip(batch.queries, truth, strict=True))
    gathered.unreadable += [
        UnreadableQuery(query.name, query.problem or "")
        for query, _ in labelled
        if query.picture is None
    ]
    if batch.vectors is None:
        return
    answers = {
        mode: classifier.classify(batch.vectors, options, own_ids=batch.own_ids)
        for mode, options in modes.items()
    }
    posed = [
        Posed(query.name, label, query.picture.thumbnail, evidence_of(by_knn))
        for (query, label), by_knn in zip(
            ((q, label) for q, label in labelled if q.picture is not None),
            answers[Mode.KNN],
            strict=True,
        )
        if query.picture is not None
    ]
    known = gathered.collectors[Mode.KNN].labels
    gathered.names += [query.name for query in posed]
    gathered.near_duplicate += [_near_duplicate(answer) for answer in answers[Mode.KNN]]
    gathered.absent.update(query.truth for query in posed if query.truth not in known)
    for mode, collector in gathered.collectors.items():
        collector.add(posed, answers[mode])
        gathered.notices.update(dict.fromkeys(n for a in answers[mode] for n in a.notices))


def _near_duplicate(answer: Answer) -> bool:
    nearest = max((n.similarity for n in answer.neighbours), default=-1.0)
    return answer.known_as is not None or nearest > NEAR_DUPLICATE


def _finish(gathered: _Gathered, subject: Subject, store: VectorStore) -> Evaluation:
    mistakes = {mode: c.mistakes() for mode, c in gathered.collectors.items()}
    shown = {n.id for exhibits in mistakes.values() for e in exhibits for n in e.neighbours}
    return Evaluation(
        subject=subject,
        names=gathered.names,
        near_duplicate=np.array(gathered.near_duplicate, dtype=bool),
        predictions={mode: c.predictions() for mode, c in gathered.collectors.items()},
        mistakes=mistakes,
        absent=dict(gathered.absent),
        unreadable=gathered.unreadable,
        thumbnails=store.thumbnails(sorted(shown)),
        notices=list(gathered.notices),
    )
