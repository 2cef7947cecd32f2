"""The query command without its command line: images in, results out, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from classify.answering.answers import QueryResult
from classify.answering.queries import Query, read_queries

if TYPE_CHECKING:
    from classify.answering.classifier import Classifier
    from classify.answering.options import QueryOptions
    from classify.answering.queries import Source
    from holotype.encoder.protocol import Encoder
    from holotype.references import Vectors

BATCHES_AHEAD = 2
"""Batches decoded ahead of the encoder: it never waits, and memory stays bounded."""


@dataclass(frozen=True, slots=True)
class EmbeddedBatch:
    """Some queries, and the vectors of those that could be read."""

    queries: Sequence[Query]
    vectors: Vectors | None
    """(R, D) float32, unit rows: R readable queries, in order; None where there is none."""

    @property
    def readable(self) -> list[Query]:
        """The R queries that the vectors belong to."""
        return [query for query in self.queries if query.picture is not None]

    @property
    def own_ids(self) -> list[str | None]:
        """R ids that the readable queries have or would have as references."""
        return [query.own_id for query in self.readable]


def embed_images(
    sources: Iterable[Source], *, encoder: Encoder, batch_size: int, workers: int
) -> Iterator[EmbeddedBatch]:
    """Read, decode and embed, a batch at a time, in order and in bounded memory."""
    queries = read_queries(
        sources, encoder.recipe, workers=workers, ahead=BATCHES_AHEAD * batch_size
    )
    while batch := list(islice(queries, batch_size)):
        pixels = [query.picture.pixels for query in batch if query.picture is not None]
        yield EmbeddedBatch(batch, encoder.encode(pixels) if pixels else None)


def classify_images(
    sources: Iterable[Source],
    *,
    encoder: Encoder,
    classifier: Classifier,
    options: QueryOptions,
    batch_size: int,
    workers: int,
) -> Iterator[QueryResult]:
    """Classify images; one result per source, in order.

    An image that cannot be read is a result with its problem; it stops nothing.
    """
    for batch in embed_images(sources, encoder=encoder, batch_size=batch_size, workers=workers):
        yield from _results(batch, classifier, options)


def _results(
    batch: EmbeddedBatch, classifier: Classifier, options: QueryOptions
) -> Iterator[QueryResult]:
    answers = iter(
        classifier.classify(batch.vectors, options, own_ids=batch.own_ids)
        if batch.vectors is not None
        else ()
    )
    for query in batch.queries:
        if query.picture is None:
            yield QueryResult(query.name, problem=query.problem)
        else:
            yield QueryResult(query.name, next(answers))
