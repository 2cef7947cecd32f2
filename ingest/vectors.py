"""Adding vectors that come from elsewhere: through the service, into the store, or in a dry run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from holotype.errors import GalleryMissing
from holotype.history import Action
from holotype.intake import steps
from holotype.intake.batch import Intake
from holotype.intake.in_flight import InFlight
from holotype.intake.kept import Kept
from holotype.intake.vectors import VectorRecord
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from ingest.dry_run import DryBackend

if TYPE_CHECKING:
    from holotype.access import Access
    from holotype.client import ServiceClient
    from holotype.fingerprint import Fingerprint
    from holotype.intake.incoming import Incoming
    from holotype.references import EmbeddedReference

AddVectors = Callable[[Sequence["Incoming"]], list[FileOutcome]]
"""Adds vectors (`holotype.intake.vectors.incoming_vectors`); an outcome each, in order."""


def vector_adder(
    access: Access,
    space: Fingerprint,
    on_conflict: OnConflict,
    *,
    dry_run: bool = False,
    exported: bool = False,
) -> AddVectors:
    """How vectors are added to this gallery, which is made where it is missing.

    Args:
        access: the way to it.
        space: of the vectors, from `Access.space`.
        on_conflict: what to do with a reference that is present under another label.
        dry_run: change nothing.
        exported: they are references that come back as they were.

    Raises:
        StoreError: the gallery cannot be made.
    """
    if dry_run:
        gallery = None
        with suppress(GalleryMissing):
            gallery = access.gallery
        dry = DryBackend(gallery, lambda: None, workers=1)
        return partial(_would_add, dry, on_conflict)
    action = Action.new("add")
    if access.service is not None:
        return partial(_add_through, access.service, on_conflict, exported, action)
    intake = Intake(access.made_store(space), None)
    return partial(intake.add_vectors, on_conflict=on_conflict, action=action)


def _add_through(
    service: ServiceClient,
    on_conflict: OnConflict,
    exported: bool,
    action: Action,
    items: Sequence[Incoming],
) -> list[FileOutcome]:
    records = [_record(item.embedded, exported) for item in items if item.embedded is not None]
    answered = iter(service.add_vectors(records, on_conflict=on_conflict, action=action))
    return [item.report() if item.embedded is None else next(answered) for item in items]


def _record(embedded: EmbeddedReference, exported: bool) -> VectorRecord:
    reference = embedded.reference
    size = reference.width, reference.height
    kept = Kept(
        reference.sha256, *size, reference.added_at, embedded.thumbnail, reference.dismissed
    )
    return VectorRecord(
        vector=embedded.vector,
        label=reference.label,
        id=reference.id,
        group=reference.group,
        meta=reference.meta,
        source=reference.source,
        kept=kept if exported else None,
    )


def _would_add(
    backend: DryBackend, on_conflict: OnConflict, items: Sequence[Incoming]
) -> list[FileOutcome]:
    in_flight = InFlight()
    steps.ask(items, backend.known, in_flight)
    for item in items:
        if item.needs_work and item.id:
            item.end(Outcome.WOULD_ADD)
            backend.relabel(item.label, [item.id])
    return steps.settle(items, backend.relabel, in_flight, on_conflict)
