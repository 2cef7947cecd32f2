"""The query command without its command line: images in, results out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from classify.answers import Answer, QueryResult
from classify.classifier import Classifier
from classify.queries import Query, Source, read_queries

if TYPE_CHECKING:
    from classify.options import QueryOptions
    from holotype.encoder.protocol import Encoder

BATCHES_AHEAD = 2
"""Batches decoded ahead of the encoder: it never waits, and memory stays bounded."""


def classify_images(
    sources: Iterable[Source],
    *,
    encoder: Encoder,
    classifier: Classifier,
    options: QueryOptions,
    batch_size: int,
    workers: int,
) -> Iterator[QueryResult]:
    """Classify images, a batch at a time; one result per source, in order.

    An image that cannot be read is a result with its problem; it stops nothing.
    """
    queries = read_queries(
        sources, encoder.recipe, workers=workers, ahead=BATCHES_AHEAD * batch_size
    )
    for batch in _batches(queries, batch_size):
        yield from _classified(batch, encoder, classifier, options)


def _classified(
    batch: list[Query], encoder: Encoder, classifier: Classifier, options: QueryOptions
) -> Iterator[QueryResult]:
    readable = [(query, query.picture) for query in batch if query.picture is not None]
    answers: Iterator[Answer] = iter(())
    if readable:
        vectors = encoder.encode([picture.pixels for _, picture in readable])
        own_ids = [query.own_id for query, _ in readable]
        answers = iter(
            classifier.classify(np.asarray(vectors, np.float32), options, own_ids=own_ids)
        )
    for query in batch:
        if query.picture is None:
            yield QueryResult(query.name, problem=query.problem)
        else:
            yield QueryResult(query.name, next(answers))


def _batches(queries: Iterator[Query], size: int) -> Iterator[list[Query]]:
    while batch := list(islice(queries, size)):
        yield batch
