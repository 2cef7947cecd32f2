"""Contract: what a store knows between counts, and whom it tells of changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.references import Where
from holotype.store.port import WHENEVER, VectorStore
from holotype.store.watchers import Change
from tests.holotype.store.conftest import OpenGallery
from tests.references import Pictures, picture_id


@dataclass(eq=False)
class Told:
    """Remembers what it was told, and what the store said at that moment."""

    store: VectorStore
    changes: list[Change] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)

    def changed(self, change: Change) -> None:
        """See `Watcher`."""
        self.changes.append(change)
        if change is Change.REFERENCES:
            self.counts.append(self.store.counts())


def test_known_counts__are_moved_by_own_writes(store: VectorStore, pictures: Pictures) -> None:
    """Adding, adding again, relabelling and removing; always what counting would find."""
    assert store.known_counts() == {}
    store.add([*pictures.many("bee", 4), *pictures.many("ant", 2)])
    assert store.known_counts() == store.counts() == {"bee": 4, "ant": 2}
    store.add([pictures.embedded("bee-0", "wasp"), *pictures.many("ant", 2)])
    assert store.known_counts() == store.counts() == {"bee": 3, "ant": 2, "wasp": 1}
    store.relabel("wasp", ids=[picture_id("bee-1"), picture_id("bee-0")])
    assert store.known_counts() == store.counts() == {"ant": 2, "bee": 2, "wasp": 2}
    store.relabel("bee", where=Where.equal("label", "ant"))
    assert store.known_counts() == store.counts() == {"bee": 4, "wasp": 2}
    store.remove(where=Where.equal("label", "wasp"))
    assert store.known_counts() == store.counts() == {"bee": 4}


def test_known_counts__others_are_known_after_a_count(
    open_gallery: OpenGallery, pictures: Pictures
) -> None:
    """A store that others share says so, and learns of them when it counts."""
    store = open_gallery()
    store.add(pictures.many("bee", 2))
    if not store.shared:
        return  # nobody else can write
    other = open_gallery()
    assert store.known_counts() == {"bee": 2}
    other.add(pictures.many("ant", 1))
    other.remove(ids=[picture_id("bee-0")])
    assert store.known_counts() == {"bee": 2}
    assert store.counts() == store.known_counts() == {"ant": 1, "bee": 1}


def test_watch__is_told_when_a_change_can_be_seen(store: VectorStore, pictures: Pictures) -> None:
    """Once for every change, and before the store closes."""
    told = Told(store)
    store.watch(told)
    store.add(pictures.many("bee", 2))
    store.relabel("ant", ids=[picture_id("bee-0")])
    store.remove(ids=[picture_id("bee-1")])
    assert told.counts == [{"bee": 2}, {"ant": 1, "bee": 1}, {"ant": 1}]
    D = store.fingerprint.dimension
    record = HeadRecord("1", "2026-11-01T12:00:00+00:00", "ready", ("ant",))
    store.save_head(StoredHead(record, {"linear": np.zeros((1, D + 1), np.float32)}))
    store.set_active_head(ActiveHead("1"))
    store.close()
    assert told.changes == [*[Change.REFERENCES] * 3, Change.ACTIVE_HEAD, Change.CLOSING]


def test_export__of_what_changed_in_a_time(store: VectorStore, pictures: Pictures) -> None:
    """Each reference belongs to one time, whenever it was changed last."""
    store.add(pictures.many("bee", 3))
    first = store.last_change()
    store.add(pictures.many("ant", 2))
    store.relabel("wasp", ids=[picture_id("bee-0")])
    second = store.last_change()
    store.add(pictures.many("fly", 1))

    def exported(**times: int) -> list[str]:
        return sorted(label for batch in store.export(**times) for label in batch.labels)

    assert exported(changed_until=first) == ["bee", "bee"]
    assert exported(changed_after=first, changed_until=second) == ["ant", "ant", "wasp"]
    assert exported(changed_after=second, changed_until=WHENEVER) == ["fly"]


def test_export__of_a_gallery_that_does_not_stand_still(
    store: VectorStore, pictures: Pictures
) -> None:
    """Who comes back for the rest is not told to run it again."""
    store.add(pictures.many("wasp", 10))
    batches = store.export(batch_size=4, changed_until=store.last_change())
    found = len(next(batches))
    store.add(pictures.many("bee", 3))
    assert found + sum(len(batch) for batch in batches) == 10
