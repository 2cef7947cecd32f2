"""The steps from bytes to an outcome. Each takes records and fills in its part of them.

identify -> ask -> decode -> embed -> write -> settle

A record that already has its verdict, or that is no new picture, passes through every
step untouched, so that outcomes come out in the order in which files went in. `decode`
runs in many threads; the others see each record once, in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from holotype.errors import BrokenImage, InvalidReference
from holotype.history import Action
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import KNOWN, Incoming, SameBytes
from holotype.outcomes import FileOutcome, OnConflict, Outcome, resolve_known
from holotype.references import EmbeddedReference, Reference, reference_id

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder, UnderWay
    from holotype.images.picture import Picture
    from holotype.images.recipe import Recipe
    from holotype.store.port import VectorStore

_SAME, _TWINS = 1 - 1e-5, 16
"""Cosine of a vector and itself as it was stored, and the nearest among which it is looked for."""

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
    firsts: list[tuple[str, Incoming, SameBytes]] = []
    for item in waiting:
        assert item.id is not None
        item.same_bytes, is_first = in_flight.enter(item.id)
        if is_first:
            firsts.append((item.id, item, item.same_bytes))
    present = known([id_ for id_, _, _ in firsts])
    for id_, item, same_bytes in firsts:
        same_bytes.label = present.get(id_)
        item.is_new = same_bytes.label is None
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
        item.note = item.picture.note
    except BrokenImage as error:
        item.end(Outcome.BROKEN, error.reason)
    item.data = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """Pictures that the encoder has begun with."""

    under_way: UnderWay
    waiting: Sequence[tuple[Incoming, Reference, bytes]]
    """Each with its reference and its thumbnail, in the encoder's order."""

    def end(self) -> None:
        """Wait for the vectors, which make the pictures references."""
        vectors = self.under_way.vectors()
        for (item, reference, thumbnail), vector in zip(self.waiting, vectors, strict=True):
            item.embedded = EmbeddedReference(reference, vector, thumbnail)


def begin_embedding(items: Sequence[Incoming], encoder: Encoder) -> Embedding | None:
    """Give the decoded pictures to the encoder, in one call, and let go of their pixels."""
    decoded = [(item, item.picture) for item in items if item.picture is not None]
    if not decoded:
        return None
    under_way = encoder.begin([picture.pixels for _, picture in decoded])
    now = datetime.now(UTC).isoformat(timespec="seconds")
    waiting = [
        (item, _reference(item, picture, now), picture.thumbnail) for item, picture in decoded
    ]
    for item, _ in decoded:
        item.picture = None
    return Embedding(under_way, waiting)


def embed(items: Sequence[Incoming], encoder: Encoder) -> None:
    """Make references of the decoded pictures, in one call of the encoder."""
    embedding = begin_embedding(items, encoder)
    if embedding is not None:
        embedding.end()


def write(items: Sequence[Incoming], store: VectorStore, *, action: Action | None = None) -> None:
    """Store the embedded references durably.

    What another process has added since `ask` is left as it is and settled as known.
    """
    _refuse_other_vectors(items, store)
    embedded = [item for item in items if item.embedded is not None]
    if not embedded:
        return
    present = store.existing([item.id for item in embedded if item.id])
    for item in embedded:
        label = present.get(item.id or "")
        if label is not None:
            pass_on(item, label)
    _add(store, [item for item in embedded if item.is_new], action)


def pass_on(item: Incoming, label: str) -> None:
    """It was added as `label` by somebody else since `ask`: it is settled as known."""
    assert item.same_bytes is not None
    item.is_new, item.data, item.embedded = False, None, None
    item.same_bytes.label = label


def settle(
    items: Sequence[Incoming], relabel: Relabel, in_flight: InFlight, policy: OnConflict
) -> list[FileOutcome]:
    """Decide on every picture that was known or repeated, and report all of them in order."""
    entered = [item for item in items if item.same_bytes is not None]
    for item in entered:
        _settle(item, policy, in_flight)
    changed = [i for i in entered if i.verdict and i.verdict.outcome is Outcome.RELABELLED]
    for label, same in groupby(changed, key=lambda item: item.label):
        relabel(label, [item.id for item in same if item.id])
    # Only now: whoever finds a picture no longer in flight must find it in the store as it is.
    in_flight.leave(item.id for item in entered if item.id is not None)
    return [item.report() for item in items]


def _reference(item: Incoming, picture: Picture, now: str) -> Reference:
    assert item.sha256 is not None
    assert item.id is not None
    return Reference(
        id=item.id,
        label=item.label,
        sha256=item.sha256,
        source=item.source,
        width=picture.width,
        height=picture.height,
        added_at=now,
        group=item.group,
        meta=dict(item.meta),
    )


def _add(store: VectorStore, items: Sequence[Incoming], action: Action | None) -> None:
    """One write for all; where the store refuses it, one each, to find the culprit."""
    references = [item.embedded for item in items if item.embedded is not None]
    try:
        store.add(references, action=action)
    except InvalidReference as error:
        if len(items) == 1:
            items[0].end(Outcome.FAILED, str(error))
            return
        for item in items:
            _add(store, [item], action)
        return
    for item in items:
        item.end(Outcome.ADDED, item.note)


def _refuse_other_vectors(items: Sequence[Incoming], store: VectorStore) -> None:
    """Of references that were named by whoever brings them: the same name with another vector.

    Engines may change the last bits of what they store, so that an export has another sha256.
    """
    vectors = [i for i in items if i.embedded and i.embedded.reference.is_vector]
    named = [i for i in vectors if i.sha256 and i.id != reference_id(i.sha256)]
    known = store.get([item.id for item in named if item.id]) if named else []
    hashes: dict[str | None, str | None] = {one.id: one.sha256 for one in known}
    doubtful = [i for i in named if hashes.setdefault(i.id, i.sha256) != i.sha256]
    if not doubtful:
        return
    queries = np.stack([item.embedded.vector for item in doubtful if item.embedded])
    for item, near in zip(doubtful, store.neighbours(queries, k=_TWINS), strict=True):
        if not any(one.id == item.id and one.similarity > _SAME for one in near):
            item.end(
                Outcome.FAILED,
                "the gallery holds another vector under this id: remove that reference first, or "
                "give this one an id of its own",
            )


def _duplicate(source: str, first: str) -> str:
    """Of which file of this run it is one."""
    folder, _, name = first.rpartition("/")
    here = source.rpartition("/")[0] == folder
    return f"duplicate of {name} in this folder" if here else f"duplicate of {first}"


def _settle(item: Incoming, policy: OnConflict, in_flight: InFlight) -> None:
    same_bytes = item.same_bytes
    assert same_bytes is not None
    assert item.id is not None
    if item.is_new:
        assert item.verdict is not None
        if item.verdict.outcome.is_failure:
            same_bytes.failure = item.verdict
        else:
            same_bytes.label = item.label
            in_flight.added(item.id, item.source)
    elif item.verdict is not None:
        return  # refused although its id is known
    elif same_bytes.label == item.label:
        first = in_flight.first(item.id)
        item.verdict = KNOWN
        if first is not None:
            item.end(Outcome.ALREADY_PRESENT, _duplicate(item.source, first))
    elif same_bytes.label is not None:
        outcome, reason = resolve_known(existing=same_bytes.label, label=item.label, policy=policy)
        first = in_flight.first(item.id)
        if first is not None and outcome is Outcome.LABEL_CONFLICT:
            reason = f"{reason}; {_duplicate(item.source, first)}"
        item.end(outcome, reason)
        if item.verdict is not None and item.verdict.outcome is Outcome.RELABELLED:
            same_bytes.label = item.label
    else:
        assert same_bytes.failure is not None
        item.verdict = same_bytes.failure
