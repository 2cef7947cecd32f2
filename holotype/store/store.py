"""What both engines' stores have in common: all of the port but its leases and its keeping."""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

from typing import Self

from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead
from holotype.history import Action, Limits
from holotype.store.heads import HeadStore
from holotype.store.points import Points
from holotype.store.port import Verification
from holotype.store.recording import Recorder
from holotype.store.undoing import HistoryStore
from holotype.store.watchers import Change


class Store(HistoryStore):
    """References and heads of one gallery. An engine adds leases, backup and `close`."""

    def __init__(
        self,
        gallery: str,
        fingerprint: Fingerprint,
        *,
        references: Points,
        heads: Points,
        max_meta_keys: int,
        history: Limits,
    ) -> None:
        """Work on points that are there.

        Args:
            gallery: its name.
            fingerprint: its space, of dimension D.
            references: points of D, Cosine.
            heads: points of D + 1, Dot.
            max_meta_keys: metadata keys that the gallery may have.
            history: how much of the past is kept.
        """
        dimension = fingerprint.dimension
        HistoryStore.__init__(
            self,
            references,
            dimension=dimension,
            max_meta_keys=max_meta_keys,
            history=Recorder(heads, columns=dimension + 1, limits=history),
        )
        HeadStore.__init__(self, heads, dimension=dimension)
        self._gallery = gallery
        self._fingerprint = fingerprint

    @property
    def gallery(self) -> str:
        return self._gallery

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    def set_active_head(self, active: ActiveHead, *, action: Action | None = None) -> None:
        """See `VectorStore.set_active_head`. Watchers are told, of a failure half-way too."""
        try:
            self._promote(active, action or Action.new("promote"))
        finally:
            self._watchers.tell(Change.ACTIVE_HEAD)

    def verify(self, *, repair: bool = False) -> Verification:
        references, wrong = self.verify_references(repair=repair)
        heads, torn = self.verify_heads(repair=repair)
        return Verification(references, heads, [*wrong, *torn])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._watchers.tell(Change.CLOSING)
