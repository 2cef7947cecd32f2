"""Queries to an open gallery: answered here, or by the service that owns it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from classify.answering.classifier import Classifier
from classify.answering.queries import classify_images

if TYPE_CHECKING:
    from classify.answering.answers import QueryResult
    from classify.answering.options import QueryOptions
    from classify.answering.queries import QueryFile
    from holotype.access import Access


def classify_through(
    access: Access, sources: Sequence[QueryFile], options: QueryOptions
) -> Iterator[QueryResult]:
    """Classify images; one result per source, in order, some at a time.

    An image that cannot be read is a result with its problem; it stops nothing.

    Raises:
        GalleryMissing: there is no gallery yet.
        UnknownFilterKey, EmptyGallery, NoActiveHead: what cannot be answered is said before the
            encoder is loaded.
        FingerprintMismatch, EncoderError: see `Access.encoder`.
        ServiceError: the service does not answer.
    """
    if access.service is not None:
        from classify.remote import classify_remotely

        return classify_remotely(sources, access.service, options)
    classifier = Classifier(access.store)
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
