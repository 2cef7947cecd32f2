"""The steps from bytes to an outcome. Each takes records and fills in its part of them.

identify -> ask -> decode -> embed -> write -> settle

A record that already has its verdict, or that is no new picture, passes through every
step untouched, so that outcomes come out in the order in which files went in. `decode`
runs in many threads; the others see each record once, in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from holotype.errors import BrokenImage, InvalidReference
from holotype.intake.in_flight import InFlight, Standing
from holotype.intake.incoming import KNOWN, Incoming
from holotype.outcomes import FileOutcome, OnConflict, Outcome, resolve_known
from holotype.references import EmbeddedReference, Reference, Vectors

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.images.recipe import Recipe
    from holotype.store.port import VectorStore

Known = Callable[[Sequence[str]], Mapping[str, str]]
"""Labels of those of these ids that are in the gallery."""
Relabel = Callable[[str, Sequence[str]], object]
"""Give this label to these ids."""


def identify(item: Incoming) -> None:
    """Hash the bytes."""
    if item.verdict is None and item.data is not None:
        item.identify(hashlib.sha256(item.data).hexdigest())


def ask(items: Sequence[Incoming], known: Known, in_flight: InFlight) -> None:
    """Find out which pictures are new, in one question for all of them."""
    waiting = [item for item in items if item.verdict is None]
    if not waiting:
        return
    # Entered before the store is asked: a picture that is written in between is then known
    # to one of the two.
    firsts: list[tuple[str, Incoming, Standing]] = []
    for item in waiting:
        assert item.id is not None
        item.standing, is_first = in_flight.enter(item.id)
        if is_first:
            firsts.append((item.id, item, item.standing))
    present = known([id_ for id_, _, _ in firsts])
    for id_, item, standing in firsts:
        standing.label = present.get(id_)
        item.is_new = standing.label is None
    for item in waiting:
        if not item.is_new:
            item.data = None


def decode(item: Incoming, recipe: Recipe) -> None:
    """Read the picture; one that cannot be read gets its verdict here."""
    from holotype.images.picture import read_picture

    if not item.needs_work:
        return
    assert item.data is not None
    try:
        item.picture = read_picture(item.data, recipe)
    except BrokenImage as error:
        item.end(Outcome.BROKEN, error.reason)
    item.data = None


def embed(items: Sequence[Incoming], encoder: Encoder) -> None:
    """Make references of the decoded pictures, in one call of the encoder."""
    decoded = [item for item in items if item.picture is not None]
    if not decoded:
        return
    vectors = encoder.encode([i.picture.pixels for i in decoded if i.picture is not None])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for item, vector in zip(decoded, vectors, strict=True):
        item.embedded = _embedded(item, vector, now)
        item.picture = None


def write(items: Sequence[Incoming], store: VectorStore) -> None:
    """Store the embedded references durably.

    What another process has added since `ask` is left as it is and settled as known.
    """
    embedded = [item for item in items if item.embedded is not None]
    if not embedded:
        return
    present = store.existing([item.id for item in embedded if item.id])
    for item in embedded:
        label = present.get(item.id or "")
        if label is not None:
            pass_on(item, label)
    _add(store, [item for item in embedded if item.is_new])


def pass_on(item: Incoming, label: str) -> None:
    """It was added as `label` by somebody else since `ask`: it is settled as known."""
    assert item.standing is not None
    item.is_new, item.data, item.embedded = False, None, None
    item.standing.label = label


def settle(
    items: Sequence[Incoming], relabel: Relabel, in_flight: InFlight, policy: OnConflict
) -> list[FileOutcome]:
    """Decide on every picture that was known or repeated, and report all of them in order."""
    entered = [item for item in items if item.standing is not None]
    for item in entered:
        _settle(item, policy)
    changed = [i for i in entered if i.verdict and i.verdict.outcome is Outcome.RELABELLED]
    for label, same in groupby(changed, key=lambda item: item.label):
        relabel(label, [item.id for item in same if item.id])
    # Only now: whoever finds a picture no longer in flight must find it in the store as it is.
    in_flight.leave(item.id for item in entered if item.id is not None)
    return [item.report() for item in items]


def _embedded(item: Incoming, vector: Vectors, now: str) -> EmbeddedReference:
    assert item.picture is not None
    assert item.sha256 is not None
    assert item.id is not None
    reference = Reference(
        id=item.id,
        label=item.label,
        sha256=item.sha256,
        source=item.source,
        width=item.picture.width,
        height=item.picture.height,
        added_at=now,
        group=item.group,
        meta=dict(item.meta),
    )
    return EmbeddedReference(reference, vector, item.picture.thumbnail)


def _add(store: VectorStore, items: Sequence[Incoming]) -> None:
    """One write for all; where the store refuses it, one each, to find the culprit."""
    references = [item.embedded for item in items if item.embedded is not None]
    try:
        store.add(references)
    except InvalidReference as error:
        if len(items) == 1:
            items[0].end(Outcome.FAILED, str(error))
            return
        for item in items:
            _add(store, [item])
        return
    for item in items:
        item.end(Outcome.ADDED)


def _settle(item: Incoming, policy: OnConflict) -> None:
    standing = item.standing
    assert standing is not None
    if item.is_new:
        assert item.verdict is not None
        if item.verdict.outcome.is_failure:
            standing.failure = item.verdict
        else:
            standing.label = item.label
    elif standing.label == item.label:
        item.verdict = KNOWN
    elif standing.label is not None:
        item.end(*resolve_known(existing=standing.label, label=item.label, policy=policy))
        if item.verdict is not None and item.verdict.outcome is Outcome.RELABELLED:
            standing.label = item.label
    else:
        assert standing.failure is not None
        item.verdict = standing.failure
