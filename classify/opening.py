"""Queries to an open gallery: answered here, or by the service that owns it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from classify.answering.answers import QueryResult
from classify.answering.classifier import Classifier
from classify.answering.queries import classify_images
from holotype.intake.vectors import vector_ids

if TYPE_CHECKING:
    from classify.answering.options import QueryOptions
    from classify.answering.queries import QueryFile
    from holotype.access import Access
    from holotype.references import Vectors


def classify_through(
    access: Access,
    sources: Sequence[QueryFile],
    options: QueryOptions,
    *,
    classifier: Classifier | None = None,
) -> Iterator[QueryResult]:
    """Classify images; one result per source, in order, some at a time.

    An image that cannot be read is a result with its problem; it stops nothing.

    Args:
        access: the way to the gallery.
        sources: the images.
        options: apply to all of them.
        classifier: of the store in this process, where the caller keeps one.

    Raises:
        GalleryMissing: there is no gallery yet.
        UsageError: it holds vectors that come from elsewhere.
        UnknownFilterKey, EmptyGallery, NoActiveHead: what cannot be answered is said before the
            encoder is loaded.
        EncoderMismatch, FingerprintMismatch, EncoderError: see `Access.encoder`.
        ServiceError: the service does not answer.
    """
    access.require_same_encoder()
    if all(source.problem for source in sources):  # an encoder takes seconds to say so
        return (QueryResult(source.name, problem=source.problem) for source in sources)
    if access.service is not None:
        from classify.remote import classify_remotely

        return classify_remotely(sources, access.service, options)
    classifier = classifier or Classifier(access.store)
    classifier.candidates(options)
    encoder = access.encoder()
    return classify_images(
        sources,
        encoder=encoder,
        classifier=classifier,
        options=options,
        batch_size=encoder.batch_size,
        workers=access.settings.workers or os.cpu_count() or 1,
    )


def classify_vectors_through(
    access: Access,
    vectors: Vectors,
    options: QueryOptions,
    *,
    classifier: Classifier | None = None,
) -> list[QueryResult]:
    """Classify vectors that come from elsewhere; one result each, in order.

    Args:
        access: the way to the gallery.
        vectors: (Q, D) float32, unit rows.
        options: apply to all of them.
        classifier: of the store in this process, where the caller keeps one.

    Raises:
        GalleryMissing, UnknownFilterKey, EmptyGallery, NoActiveHead, ServiceError: see
            `classify_through`.
    """
    names = [f"row {row}" for row in range(len(vectors))]
    if access.service is not None:
        from classify.remote import classify_vectors_remotely

        answers = classify_vectors_remotely(vectors, access.service, options)
    else:
        classifier = classifier or Classifier(access.store)
        own_ids = vector_ids(vectors, access.fingerprint)
        answers = classifier.classify(vectors, options, own_ids=own_ids)
    return [QueryResult(name, answer) for name, answer in zip(names, answers, strict=True)]
