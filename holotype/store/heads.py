"""The half of the port that is about heads, over the points of either engine."""

# ruff: noqa: D102, ARG002  as in VectorStore

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from holotype.errors import HeadError, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.history import Action
from holotype.references import Vectors
from holotype.store import head_payload as stored
from holotype.store.integrity import ACTIVE_HEAD, check_heads
from holotype.store.points import Matching, Point, Points
from holotype.store.port import Damage, VectorStore
from holotype.store.validate import check_head, valid_ids


class HeadStore(VectorStore):
    """Versions and the active pointer."""

    def __init__(self, points: Points, *, dimension: int) -> None:
        """Work on points of (`dimension` + 1,) vectors, distance Dot."""
        self._heads = points
        self.dimension = dimension

    # -- versions -------------------------------------------------------------------

    def save_head(self, head: StoredHead) -> None:
        check_head(head, self.dimension)
        rows = list(stored.rows_of(head))
        self._heads.check(rows)
        with self._heads.writing():
            self._forget(head.record.version)  # a retry may come after a torn write
            self._heads.upsert(rows, "rows of a head")
            record = stored.record_payload(stored.with_block_rows(head))
            self._heads.upsert([self._plain(record)], "record of a head")

    def heads(self) -> list[HeadRecord]:
        with self._heads.reading():
            rows = self._heads.facet(stored.VERSION, Matching.equal(kind=stored.ROW))
            records = list(self._records())
        whole = [r for r in records if rows.get(r.version, 0) == sum(r.block_rows.values())]
        return sorted(whole, key=lambda record: record.version)

    def load_head(self, version: str) -> StoredHead:
        record_id = stored.point_id(stored.HEAD, version)
        with self._heads.reading():
            found = self._heads.retrieve([record_id]).get(record_id)
            if found is None:
                raise UnknownHead(f"no head has version {version!r}: `retrain list` shows them")
            record = stored.record_from(found.payload or {})
            blocks = {name: self._block(ids) for name, ids in stored.row_ids(record).items()}
        whole = {name: block for name, block in blocks.items() if block is not None}
        if len(whole) < len(blocks):
            raise UnknownHead(
                f"head {version!r} was not stored completely: run `retrain` for a new one"
            )
        return StoredHead(record=record, blocks=whole)

    def remove_head(self, version: str) -> None:
        with self._heads.writing():
            active = self.active_head()
            if active is not None and active.version == version:
                raise HeadError(f"head {version!r} is active: promote another one first")
            self._forget(version)

    # -- the pointer ----------------------------------------------------------------

    def active_head(self) -> ActiveHead | None:
        pointer = stored.point_id(stored.ACTIVE)
        payload = self._heads.agreed_payload(pointer, "the active head")
        return None if payload is None else stored.active_from(payload)

    def set_active_head(self, active: ActiveHead, *, action: Action | None = None) -> None:
        """See `VectorStore.set_active_head`.

        The last writer wins: who reads, decides and writes should hold a lease meanwhile.
        """
        self._heads.check(())
        with self._heads.writing():
            if all(record.version != active.version for record in self.heads()):
                raise UnknownHead(f"no complete head has version {active.version!r}")
            pointer = self._plain(stored.active_payload(active))
            self._heads.upsert([pointer], "the active head", agreed=True)

    # -- keeping --------------------------------------------------------------------

    def verify_heads(self, *, repair: bool) -> tuple[int, list[Damage]]:
        """How many versions are whole, and what is wrong with the others, which a repair removes.

        An active head that is not whole gives way to the one before it that is.
        """
        unread: list[Damage] = []
        with self._heads.resting():
            pages = self._heads.whole(unread)
            payloads = ((point.id, point.payload) for page in pages for point in page)
            whole, damages = check_heads(self, payloads, self.dimension)
            damages = [*unread, *damages]
            if repair:
                damages = [self._mended_head(damage, whole) for damage in damages]
        return len(whole), damages

    # -- inside ---------------------------------------------------------------------

    def _mended_head(self, damage: Damage, whole: Collection[str]) -> Damage:
        if damage.item != ACTIVE_HEAD:
            with self._heads.writing():
                self._forget(damage.item)
                if ids := valid_ids([damage.item]):
                    self._heads.delete(Matching(ids=tuple(ids)), "a damaged point of the heads")
            return replace(damage, mended="it was removed: run `retrain`")
        active = self.active_head()
        before = [v for v in (active.history if active else ()) if v in whole]
        if before:
            self.set_active_head(ActiveHead(before[-1], tuple(before[:-1])))
            return replace(damage, mended=f"{before[-1]!r} is active now")
        with self._heads.writing():
            pointer = Matching(ids=(stored.point_id(stored.ACTIVE),))
            self._heads.delete(pointer, "the active head")
        return replace(damage, mended="no head is active now: run `retrain`, or `retrain promote`")

    def _forget(self, version: str) -> None:
        # The record first: without it, rows that a crash leaves behind belong to nothing.
        for kind in (stored.HEAD, stored.ROW):
            self._heads.delete(Matching.equal(kind=kind, version=version), f"{kind}s of a head")

    def _records(self) -> Iterator[HeadRecord]:
        for page in self._heads.pages(Matching.equal(kind=stored.HEAD), payload=True):
            yield from (stored.record_from(record.payload or {}) for record in page)

    def _plain(self, payload: dict[str, object]) -> Point:
        return stored.plain_point(payload, columns=self.dimension + 1)

    def _block(self, ids: list[str]) -> Vectors | None:
        found = self._heads.retrieve(ids, payload=False, vectors=True)
        vectors = {row: record.vector for row, record in found.items()}
        return stored.block_of(ids, vectors, columns=self.dimension + 1)
