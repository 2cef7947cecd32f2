"""The store in the words of this project; one contract suite holds both engines to it.

Rules that both keep, tested in `tests/holotype/store/test_contract_*.py`:

- A vector is (D,) float32, finite, of unit length (tolerance 1e-3), and a reference is
  validated before the engine sees it: `InvalidReference` means that nothing of the call
  was written.
- A write has reached the disk (embedded) or was acknowledged by the server when the call
  returns. Writes are idempotent: doing one twice is doing it once.
- Every change of a reference sets its `changed_at`, so `state()` differs after it; to dismiss
  what speaks against its label is none.
- Every change is part of an action (`holotype.history`): of the one that is given, which several
  calls may share, or else of one of its own, by the user of this machine.
- A filter on a key that is not indexed raises `UnknownFilterKey`; it never scans. The
  built-in keys are always indexed, `meta.*` keys from the first reference that has one.
- Errors are those of `holotype.errors`, never the engine's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.history import Action, Entry, Undoing
from holotype.references import (
    EVERYTHING,
    EmbeddedReference,
    Neighbour,
    Reference,
    VectorBatch,
    Vectors,
    Where,
)
from holotype.store.watchers import Watcher

WHENEVER: Final = 2**53
"""As `changed_until` of an export: each reference as it is when it is read."""


@dataclass(frozen=True, slots=True)
class GalleryState:
    """What a head was trained on, cheap to read: it differs after any change.

    An addition and a relabelling raise `last_change`; a removal changes a count. The pair
    stays a complete change detector where clocks differ by less than the time between two
    changes that leave every count as it was.
    """

    counts: Mapping[str, int]
    """References per label."""
    last_change: int
    """Largest `changed_at`, microseconds since the epoch; 0 for an empty gallery."""

    @property
    def total(self) -> int:
        """Number of references."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Page:
    """Some references in id order, and where to go on."""

    references: list[Reference]
    next_after: str | None
    """Pass it as `after` for the next page; None at the end."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong with what is stored."""

    item: str
    """A reference's id, a head's version, or the name of what both lie in."""
    problem: str
    """What is wrong with it, for people."""
    mended: str | None = None
    """What was done about it; None where nothing was."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What looking at everything that is stored came to."""

    references: int
    """Those that are whole."""
    heads: int
    """Versions that are whole."""
    damages: list[Damage]

    @property
    def mended(self) -> bool:
        """Whether all that was wrong is so no longer."""
        return all(damage.mended is not None for damage in self.damages)


class VectorStore(Protocol):
    """References and heads of one gallery in one embedding space.

    A context manager: leaving it closes the store and gives its lock back.
    """

    @property
    def gallery(self) -> str:
        """The gallery's name."""
        ...

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space, as stored with the gallery."""
        ...

    @property
    def shared(self) -> bool:
        """Whether others may change it too, and not through this object."""
        ...

    def __enter__(self) -> VectorStore: ...
    def __exit__(self, *_: object) -> None: ...
    def close(self) -> None:
        """Flush and let go; calling it twice is fine."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of every change that is made through this object from now on."""
        ...

    # -- references -----------------------------------------------------------------

    def add(self, references: Sequence[EmbeddedReference], *, action: Action | None = None) -> None:
        """Upsert, durably. Bounded batches are the adapter's business.

        Raises:
            InvalidReference: one of them is malformed; none was written.
        """
        ...

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        """Label of each of these ids that is in the gallery; absent ids are left out."""
        ...

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """The references with these ids, in the order given; absent ids are left out."""
        ...

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """JPEG thumbnail of each id that has one."""
        ...

    def neighbours(
        self,
        vectors: Vectors,
        *,
        k: int,
        where: Where = EVERYTHING,
        with_vectors: bool = False,
    ) -> list[list[Neighbour]]:
        """The k nearest references of each query by cosine, under the filter.

        Only what a vote takes comes along; `get` has the whole references. One that is removed
        or relabelled in between is `get`'s to leave out, or to give under its new label.

        Args:
            vectors: (Q, D) float32, unit rows.
            k: at least 1; fewer come back where the filter leaves fewer.
            where: applied inside the search, not after it.
            with_vectors: also return each neighbour's vector.

        Returns:
            Q lists, each by descending similarity.
        """
        ...

    def export(
        self,
        *,
        where: Where = EVERYTHING,
        batch_size: int = 4096,
        changed_after: int | None = None,
        changed_until: int | None = None,
    ) -> Iterator[VectorBatch]:
        """All vectors with their labels, in batches, in id order.

        Args:
            where: only references that match.
            batch_size: rows of a batch, at most.
            changed_after: only those with a larger `changed_at`.
            changed_until: only those with no larger one: for who comes back for what changes
                meanwhile. Whatever is written beside it, nothing is raised.

        Raises:
            StoreMoved: without `changed_until`, the count before and after differ; what was
                yielded is not a consistent picture.
        """
        ...

    def list_references(
        self, *, where: Where = EVERYTHING, limit: int = 100, after: str | None = None
    ) -> Page:
        """References in id order, a page at a time."""
        ...

    def counts(
        self,
        key: str = "label",
        *,
        where: Where = EVERYTHING,
        changed_after: int | None = None,
    ) -> dict[str, int]:
        """References per value of an indexed key, exact, by descending count then value.

        Args:
            key: indexed.
            where: only references that match.
            changed_after: only those with a larger `changed_at`.
        """
        ...

    def known_counts(self) -> dict[str, int]:
        """References per label as far as this object knows, without asking the engine.

        Counted when it is first asked, and moved by every write through this object. What
        others write to a shared store is in it after the next `counts()`.
        """
        ...

    def count(self, *, where: Where = EVERYTHING, changed_after: int | None = None) -> int:
        """Exact number of references, optionally only those changed after a `changed_at`."""
        ...

    def state(self) -> GalleryState:
        """What a retrain compares with (see `GalleryState`)."""
        ...

    def last_change(self) -> int:
        """Largest `changed_at` of a reference; 0 for an empty gallery."""
        ...

    def filter_keys(self) -> list[str]:
        """Keys that `where` may use: built-in ones and every `meta.*` in use, sorted."""
        ...

    def relabel(
        self,
        label: str,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        """Give another label to these ids, or to all that match a non-empty filter.

        References that carry it already are left alone. Neither ids nor filter: nothing.

        Returns:
            How many references there were to change.

        Raises:
            InvalidReference: no reference may carry this label.
            UsageError: both ids and a filter were given.
        """
        ...

    def regroup(
        self, group: str | None, *, ids: Iterable[str], action: Action | None = None
    ) -> int:
        """Put these references into one group, or into none; returns how many were not there.

        Raises:
            InvalidReference: no reference may carry this group.
        """
        ...

    def dismiss(self, marks: Mapping[str, str], *, action: Action | None = None) -> int:
        """Remember that a person has seen what speaks against a label, and keeps the label.

        Args:
            marks: by id, a short text that stands for the evidence (`Reference.dismissed`).
            action: see the module.

        Returns:
            How many of them are in the gallery and had another mark, or none.

        Raises:
            InvalidReference: a mark is empty, or far too long.
        """
        ...

    def remove(
        self,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        """Remove these ids, or all that match a non-empty filter; returns how many.

        Raises:
            UsageError: both ids and a filter were given.
        """
        ...

    # -- history --------------------------------------------------------------------

    def history(
        self,
        *,
        label: str | None = None,
        id: str | None = None,  # noqa: A002  the word of every other record
        limit: int = 100,
    ) -> list[Entry]:
        """What was done to the gallery, the newest first.

        Args:
            label: only actions that took it from references, or gave it.
            id: only those that changed this reference.
            limit: at most so many.
        """
        ...

    def undo(
        self, action_id: str, *, action: Action | None = None, dry_run: bool = False
    ) -> Undoing:
        """Make undone what an action did; references that were changed since are left alone.

        Labels, groups, marks, vectors, thumbnails and metadata are what they were, `changed_at` is
        new. What was interrupted is finished by doing it again.

        Args:
            action_id: which.
            action: who undoes it, and why; its id follows from the action's.
            dry_run: only say what would become of it.

        Raises:
            UndoError: it is not in the history, was undone, or what it removed is gone.
        """
        ...

    # -- heads ----------------------------------------------------------------------

    def save_head(self, head: StoredHead) -> None:
        """Store blocks, then the record. Does not make it active; replaces the same version.

        Raises:
            HeadError: a block is not (rows, D + 1) finite float32, or the report is not JSON.
        """
        ...

    def heads(self) -> list[HeadRecord]:
        """Complete head versions, oldest first."""
        ...

    def load_head(self, version: str) -> StoredHead:
        """A head version with its numbers.

        Raises:
            UnknownHead: no such version, or its write was torn.
        """
        ...

    def remove_head(self, version: str) -> None:
        """Forget a version; absent is fine. The active version is refused (`HeadError`)."""
        ...

    def active_head(self) -> ActiveHead | None:
        """The pointer, None before the first head."""
        ...

    def set_active_head(self, active: ActiveHead, *, action: Action | None = None) -> None:
        """Move the pointer: one write, seen whole or not at all.

        Raises:
            UnknownHead: the version is not there, or not whole.
        """
        ...

    # -- leases ---------------------------------------------------------------------

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        """Take a lease, or renew one that `holder` has; returns who holds it now.

        The caller compares `lease.holder` with its own: another name means that the lease
        is taken. A lease past `expires_at` is free; on the embedded engine one is free, too,
        when the process that owned the gallery is gone.
        """
        ...

    def release_lease(self, name: str, *, holder: str) -> None:
        """Give a lease back; somebody else's lease is left alone."""
        ...

    # -- keeping --------------------------------------------------------------------

    def verify(self, *, repair: bool = False) -> Verification:
        """Read everything that is stored and say what is wrong with it.

        Args:
            repair: mend what can be, and remove what cannot; both are listed.
        """
        ...

    def backup(self, file: BinaryIO) -> None:
        """Write the whole gallery, as it is at one moment, to a file (see `holotype.store.backup`).

        Answers go on meanwhile; writes may wait. `holotype.store.factory.restore_store` is the
        way back.
        """
        ...
