"""What answers are given from, kept in memory: the classes with their sizes, and the head.

No answer counts, exports or waits for it. An answer takes the `Snapshot` that is there, which
another thread replaces:

- after a change that was made through this store. Who made it waits until answers know of it
  (at most `CATCH_UP_S`), so a class can be answered when the call that added it has returned;
- where others can write, too: the pointer to the active head is read twice in `POINTER_S`, and
  classes are counted every `COUNTED_S`, or less often where that is dear (`holotype.rate_limit`).
  For so long a class may be answered that somebody else has removed.

What cannot be read is left as it was: once a head is loaded, answers go on with it, whatever
the store does. The first snapshot is read by who asks for it: a fresh command has no old one.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from classify.answering.background import BackgroundWorker
from classify.answering.filter_cache import FilterCache
from classify.answering.knn import Classes
from holotype.errors import HolotypeError, StoreError
from holotype.rate_limit import Pace
from holotype.store.watchers import Change

if TYPE_CHECKING:
    from head.versions.class_means import NewClass
    from head.versions.head import Head
    from head.versions.newer_classes import NewerClasses
    from holotype.references import Where
    from holotype.store.port import VectorStore

POINTER_S: Final = 1.0
"""How old the pointer to the active head may be in an answer, seconds."""

COUNTED_S: Final = 1.0
"""How often classes are counted, at most."""

CATCH_UP_S: Final = 5.0
"""How long who changed something waits for a basis that knows of it, at most."""

FIRST_READ_S: Final = 10.0
"""How long the first snapshot reads vectors of classes that are newer than the head, at most."""

SLICE_S: Final = 0.05
PAUSE_S: Final = 0.15
"""A later one reads for so long, and goes on after such a pause."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What is known of a gallery at one time. Another one takes its place; it never changes."""

    classes: Classes | None
    """None where they could not be counted."""
    head: Head | None
    """The active one, with a row for every class of today as far as they are known."""


class SnapshotCache:
    """The basis of the answers from one store. Safe for several threads."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._snapshot: Snapshot | None = None
        self._begun = False
        """Whether somebody asked: who changes something then waits for the first snapshot, too."""
        self._refreshing = threading.Lock()
        self._caught_up = threading.Condition()
        self._changes = 0
        """Changes that were made through the store so far."""
        self._known = 0
        """Those of them that the basis knows of."""
        self._head_moved = True
        self._trained: Head | None = None
        """The active head as it was loaded."""
        self._newer: NewerClasses | None = None
        self._wanted: Mapping[str, int] = {}
        """References of each class that is answered from its mean."""
        self._new: list[NewClass] = []
        """What is known of those."""
        self._touched: Mapping[str, int] = {}
        """References per label that changed since the head was trained,"""
        self._touched_since = ""
        """which is this version."""
        self._extended: tuple[object, Head] | None = None
        """What the head of today was made of, and that head."""
        self._pointer, self._count, self._read = Pace(), Pace(), Pace()
        self._filtered = FilterCache(store)
        self._worker = BackgroundWorker(weakref.WeakMethod(self._work))
        weakref.finalize(self, self._worker.end)
        store.watch(self)

    def snapshot(self) -> Snapshot:
        """What there is; read now if nothing was.

        Raises:
            HolotypeError: nothing was, and the head cannot be read.
        """
        return self._snapshot or self._first()

    def classes(self, where: Where) -> Classes:
        """Those that a filter leaves, as they were counted lately; counted now where nobody asked.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
            StoreError: they cannot be counted.
        """
        classes = self.snapshot().classes
        if where:
            return self._filtered.classes(where, of=classes, state=self._changes)
        if classes is None:
            raise StoreError("the gallery's classes cannot be counted now: the log says why")
        return classes

    def changed(self, change: Change) -> None:
        """See `Watcher`: the basis knows of it when this returns, or soon."""
        if change is Change.CLOSING:
            self._worker.end()
            with self._caught_up:
                self._caught_up.notify_all()
            return
        with self._caught_up:
            self._changes += 1
            mine = self._changes
            self._head_moved |= change is Change.ACTIVE_HEAD
            begun = self._begun
        if begun:
            self._worker.at(0.0)
            with self._caught_up:
                self._caught_up.wait_for(
                    lambda: self._known >= mine or self._worker.ended, CATCH_UP_S
                )

    # -- inside: all of it under `_refreshing` ---------------------------------------

    def _first(self) -> Snapshot:
        with self._refreshing:
            if self._snapshot is None:
                with self._caught_up:
                    self._begun = True
                self._refresh(first=True)
            self._worker.at(0.0 if self._known < self._changes else self._due_at())
            assert self._snapshot is not None
            return self._snapshot

    def _work(self) -> float | None:
        """Refresh; returns when that is due again."""
        with self._refreshing:
            try:
                self._refresh(first=False)
            except RuntimeError:
                if not self._worker.ended:  # the store was closed under a call that hung
                    raise
                return None
            return self._due_at()

    def _refresh(self, *, first: bool) -> None:
        changes = self._changes
        own = first or changes != self._known
        self._read_head(first=first)
        counts = self._counted()
        classes = None if self._snapshot is None else self._snapshot.classes
        if counts is not None and (classes is None or classes.counts != counts):
            classes = Classes.of(counts)
        head = self._of_today(classes.counts if classes else {}, first=first, own=own)
        self._snapshot = Snapshot(classes, head)
        self._filtered.recount(state=changes)
        with self._caught_up:
            self._known = changes
            self._caught_up.notify_all()

    def _due_at(self) -> float | None:
        shared = self._store.shared
        due = [self._filtered.due_at, self._count.due_at if shared else None]
        if shared or self._head_moved:
            due.append(self._pointer.due_at)
        if self._newer is not None and (shared or len(self._new) < len(self._wanted)):
            due.append(self._read.due_at)
        if self._newer is not None and (rest := self._newer.due_at) is not None:
            due.append(max(rest, time.monotonic() + PAUSE_S))
        return min((at for at in due if at is not None), default=None)

    def _read_head(self, *, first: bool) -> None:
        """Load the active head, if another one may be active now."""
        if not self._head_moved and not (self._store.shared and self._pointer.due):
            return
        from head.versions import registry

        self._head_moved = False
        try:
            with self._pointer.timed(at_most_every=POINTER_S / 2, share=1):
                pointer = self._store.active_head()
                if pointer is None:
                    self._trained = None
                elif self._trained is None or self._trained.version != pointer.version:
                    self._trained = registry.load(self._store, pointer.version)
        except HolotypeError as error:
            self._head_moved = True
            if first:
                raise
            _log.warning("answering with the head that is loaded: %s", error)

    def _counted(self) -> Mapping[str, int] | None:
        """References per label; None where that cannot be known."""
        try:
            if self._store.shared and self._count.due:
                with self._count.timed(at_most_every=COUNTED_S):
                    self._store.counts()
            return self._store.known_counts()
        except StoreError as error:
            _log.warning("answering with the classes that are known: %s", error)
            return None

    def _of_today(self, counts: Mapping[str, int], *, first: bool, own: bool) -> Head | None:
        """The active head for the classes of today.

        Args:
            counts: references per label.
            first: whether to take time for reading vectors.
            own: whether there were changes through this store.
        """
        from head.versions.class_means import extend

        trained = self._trained
        if trained is None:
            self._wanted, self._new, self._newer = {}, [], None
            return None
        if trained.metric is not None:
            self._read_newer(trained, counts, FIRST_READ_S if first else SLICE_S, own=own)
        self._new = [new for new in self._new if new.label in self._wanted]
        made_of = (trained.version, frozenset(counts), tuple(new.key for new in self._new))
        if self._extended is None or self._extended[0] != made_of:
            self._extended = made_of, extend(trained, counts, self._new)
        return self._extended[1]

    def _read_newer(
        self, trained: Head, counts: Mapping[str, int], seconds: float, *, own: bool
    ) -> None:
        from head.versions.class_means import newer
        from head.versions.newer_classes import NewerClasses

        if self._newer is None or not self._newer.fits(trained):
            self._newer, self._new = NewerClasses(self._store, trained), []
        if self._touched_since != trained.version:
            self._touched, self._touched_since, own = {}, trained.version, True
        self._wanted = newer(trained, counts, self._touched)
        rest = self._newer.due_at
        unfinished = rest is not None and rest <= time.monotonic()
        others = self._store.shared or len(self._new) < len(self._wanted)
        if not (own or unfinished or (others and self._read.due)):
            return
        try:
            with self._read.timed(at_most_every=COUNTED_S):
                self._touched = self._newer.touched(trained)
                self._wanted = newer(trained, counts, self._touched)
                self._new = self._newer.read(self._wanted, seconds=seconds)
        except StoreError as error:
            _log.warning("answering with what is known of new classes: %s", error)
