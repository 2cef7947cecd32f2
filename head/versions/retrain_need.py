"""Whether a retrain is needed: the gallery now against the gallery of the newest head.

Reads counts and one time stamp; no vector, no torch. The newest head counts whether it is
active or held: references that made a head which was held would make the same one again. It
does not count where its run was killed before it could be made active, nor where no head
answers: such a gallery needs a retrain, whatever changed. A head from which somebody went back
was decided on, and stays away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holotype.heads import ActiveHead, HeadRecord
    from holotype.store.port import GalleryState, VectorStore


@dataclass(frozen=True, slots=True)
class Need:
    """What changed since the newest head."""

    changed: int
    """References added, relabelled or removed, at least."""
    since: str | None
    """The newest head's version; None where there is none that counts."""

    def is_met(self, min_new: int) -> bool:
        """Whether enough changed to train; without a head that counts everything is new."""
        return self.since is None or (self.changed > 0 and self.changed >= min_new)

    def describe(self, min_new: int) -> str:
        """Why there is nothing to do, for people."""
        if not self.changed:
            return f"no reference changed since head {self.since}"
        few = f"{self.changed} reference{'s' if self.changed > 1 else ''} changed"
        return f"{few} since head {self.since}, fewer than --min-new {min_new}"


def need_of(store: VectorStore) -> Need:
    """Compare the gallery with the newest head."""
    records, pointer = store.heads(), store.active_head()
    if pointer is None or _left_behind(records, pointer):
        return Need(changed=store.state().total, since=None)
    newest = records[-1]
    return Need(changed=_changed(store, newest), since=newest.version)


def _left_behind(records: Sequence[HeadRecord], pointer: ActiveHead) -> bool:
    """Whether the active head is gone, or a kill came between a head and its becoming active."""
    if all(record.version != pointer.version for record in records):
        return True
    newest = records[-1]
    return (
        newest.status == "ready" and pointer.newest is not None and newest.version > pointer.newest
    )


def gallery_state(state: GalleryState) -> dict[str, object]:
    """What a head's report keeps of the gallery, for `need_of` to compare with."""
    return {
        "references": state.total,
        "counts": dict(sorted(state.counts.items())),
        "last_change": state.last_change,
    }


def _changed(store: VectorStore, newest: HeadRecord) -> int:
    then, now = newest.report["gallery"], store.state()
    counts: dict[str, int] = then["counts"]
    if counts == dict(now.counts) and then["last_change"] == now.last_change:
        return 0
    # A removal leaves no trace but a smaller count, a change of one reference may show twice.
    moved = sum(
        abs(now.counts.get(label, 0) - counts.get(label, 0)) for label in {*now.counts, *counts}
    )
    touched = store.count(changed_after=int(then["last_change"]))
    return max(1, moved // 2, abs(now.total - int(then["references"])), touched)
