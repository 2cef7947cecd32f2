"""Pictures without a label get one: they become references, and nothing is embedded again.

Their vectors are there. What a reference is besides (size, thumbnail) comes from the file, which
must still be the very bytes that were looked at. What the review queue holds leaves it; through a
service it is the service that adds it, from the bytes that it keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from curate.embedding import Picture
from curate.unlabelled import review_queue
from holotype.errors import BrokenImage, NotFound
from holotype.images.decode import decode
from holotype.images.files import read_file
from holotype.images.picture import make_thumbnail
from holotype.images.recipe import THUMBNAIL_SIDE
from holotype.intake.batch import Intake
from holotype.intake.kept import Kept
from holotype.intake.vectors import VectorRecord, incoming_vectors, vector_record
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.references import reference_id

if TYPE_CHECKING:
    from holotype.access import Access
    from holotype.references import Vectors

Labelled = tuple[Picture, "Vectors"]
"""A picture and its vector, (D,)."""

Fetch = Callable[[str], bytes]
"""The bytes of a query that is kept."""


def add_as(access: Access, pictures: Sequence[Labelled], label: str) -> list[FileOutcome]:
    """Add pictures as references of one class; an outcome each, in order.

    Args:
        access: the way to the gallery.
        pictures: of its space, from one of the readers of `curate.unlabelled`.
        label: in its one spelling (`holotype.intake.words.clean_label`).

    Raises:
        NotFound: a query has left the service's queue; none of its request was added.
        StoreError, ServiceError: the run cannot go on; it can be repeated.
    """
    service = access.service
    queued = [one.queued for one, _ in pictures if one.queued]
    if service is not None and queued:  # a source is a queue or it is not
        return service.add_kept(queued, label, on_conflict=OnConflict.ERROR)
    with review_queue(access) as queue, ThreadPoolExecutor(thread_name_prefix="read") as pool:
        side = access.settings.thumbnail_px or THUMBNAIL_SIDE
        record = partial(_record, label=label, kept=queue.picture, side=side)
        records = list(pool.map(lambda one: record(*one), pictures))
        added = iter(_add(access, [one for one in records if isinstance(one, VectorRecord)]))
        outcomes = [next(added) if isinstance(one, VectorRecord) else one for one in records]
        if queued:
            queue.forget(_settled(pictures, outcomes))
    return outcomes


def _add(access: Access, records: Sequence[VectorRecord]) -> list[FileOutcome]:
    if access.service is not None:
        return access.service.add_vectors(records, on_conflict=OnConflict.ERROR)
    incoming = incoming_vectors(records, access.fingerprint)
    return Intake(access.store, None).add_vectors(incoming)


def _record(
    picture: Picture, vector: Vectors, *, label: str, kept: Fetch, side: int
) -> VectorRecord | FileOutcome:
    """What is to be stored, or why it cannot be."""
    if picture.file is None and picture.queued is None:
        return vector_record(vector, label, id=picture.id, source=picture.name)
    try:
        data = kept(picture.queued) if picture.queued else read_file(picture.path)
        decoded = decode(data, at_least=side)
    except (BrokenImage, NotFound) as error:
        return FileOutcome(picture.name, Outcome.FAILED, label, picture.id, str(error))
    sha256 = hashlib.sha256(data).hexdigest()
    if reference_id(sha256) != picture.id:
        reason = "it has changed since it was looked at: look again"
        return FileOutcome(picture.name, Outcome.FAILED, label, picture.id, reason)
    described = Kept(
        sha256=sha256,
        width=decoded.width,
        height=decoded.height,
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        thumbnail=make_thumbnail(decoded.image, side),
    )
    return vector_record(vector, label, source=picture.name, kept=described)


def _settled(pictures: Iterable[Labelled], outcomes: Iterable[FileOutcome]) -> list[str]:
    pairs = zip(pictures, outcomes, strict=True)
    return [one.queued for (one, _), said in pairs if one.queued and not said.outcome.is_failure]
