"""Changing references, each change written down before it is made.

What is written down is `holotype.store.events`; it is how `holotype.store.undoing` finds back.
"""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from holotype.errors import DiskFull
from holotype.history import Action
from holotype.references import EVERYTHING, EmbeddedReference, Where
from holotype.store import events as done
from holotype.store.events import MARK, Change, Event
from holotype.store.payload import CHANGED_AT, DISMISSED, to_payload
from holotype.store.points import POINTS_PER_CALL, Matching, Point, Points, Record, chunks
from holotype.store.recording import Recorder
from holotype.store.references import LEFT_OVER, ReferenceStore
from holotype.store.validate import (
    check_group,
    check_label,
    check_marks,
    check_references,
    valid_ids,
)

WHOLE_AT_A_TIME: Final = 256
"""References that are read with vector and thumbnail, to be kept."""

_log = logging.getLogger(__name__)


class WritingStore(ReferenceStore):
    """Adds, relabels, regroups, dismisses and removes references.

    Safe for several threads, and on a server beside other processes.
    """

    def __init__(
        self, points: Points, *, dimension: int, max_meta_keys: int, history: Recorder
    ) -> None:
        """As of `ReferenceStore`, with who writes down what is done."""
        super().__init__(points, dimension=dimension, max_meta_keys=max_meta_keys)
        self._history = history

    def add(self, references: Sequence[EmbeddedReference], *, action: Action | None = None) -> None:
        items = check_references(references, self._dimension)
        if not items:
            return
        points = [Point(i.reference.id, i.vector, to_payload(i, changed_at=0)) for i in items]
        self._references.check(points)
        self._index_new(items)
        action = action or Action.new("add")
        labels = {item.reference.id: item.reference.label for item in items}
        with self._writing():
            before = self.existing([*labels]) if self._known.asked else {}
            if there := [*before] or self._there([*labels]):
                self._set_aside(Matching(ids=tuple(there)), action, what=done.REPLACED)
            changed_at = self._clock.next()
            mark = self._history.added(action, [*labels.values()], changed_at)
            for point in points:
                point.payload[CHANGED_AT] = changed_at
                if mark is not None:
                    point.payload[MARK] = mark
            with self._known.moving(before.values(), labels.values()):
                self._references.upsert(points, "references")

    def relabel(
        self,
        label: str,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        check_label(label)
        self._references.check(())
        action = action or Action.new("relabel")
        after: dict[str, Any] = {"label": label, DISMISSED: None}
        changed = 0
        with self._writing():
            for matching in self._selections(ids, where, not_labelled=label):
                for page in self._references.pages(matching, payload=(*after, MARK)):
                    self._move(_alike(page, after), action, what=done.RELABELLED)
                    changed += len(page)
                if self.shared:
                    over = {**after, CHANGED_AT: self._clock.next()}
                    self._references.set_payload(over, matching, LEFT_OVER)
        self._history.ended()
        return changed

    def regroup(
        self, group: str | None, *, ids: Iterable[str], action: Action | None = None
    ) -> int:
        check_group(group)
        self._references.check(())
        action = action or Action.new("regroup")
        changed = 0
        with self._writing():
            for some in chunks(valid_ids(ids), POINTS_PER_CALL):
                found = self._references.retrieve(some, payload=("group", MARK))
                others = [r for r in found.values() if (r.payload or {}).get("group") != group]
                if others:
                    self._move(_alike(others, {"group": group}), action, what=done.REGROUPED)
                changed += len(others)
        self._history.ended()
        return changed

    def dismiss(self, marks: Mapping[str, str], *, action: Action | None = None) -> int:
        check_marks(marks)
        self._references.check(())
        action = action or Action.new("dismiss")
        changed = 0
        with self._references.writing():
            for some in chunks(valid_ids(marks), POINTS_PER_CALL):
                found = self._references.retrieve(some, payload=(DISMISSED,))
                by_mark: dict[str, list[Record]] = {}
                for id_, record in found.items():
                    if (record.payload or {}).get(DISMISSED) != marks[id_]:
                        by_mark.setdefault(marks[id_], []).append(record)
                changes: list[Change] = []
                for mark, records in by_mark.items():
                    changes += _alike(records, {DISMISSED: mark})
                if changes:
                    self._move(changes, action, what=done.DISMISSED_)
                changed += sum(map(len, by_mark.values()))
        self._history.ended()
        return changed

    def remove(
        self,
        *,
        ids: Iterable[str] = (),
        where: Where = EVERYTHING,
        action: Action | None = None,
    ) -> int:
        action = action or Action.new("remove")
        removed = 0
        with self._references.resting():
            selections = [*self._selections(ids, where)]
            count = sum(map(self._references.count, selections))
            for matching in selections if count else ():
                keep = count <= self._history.limits.removed
                self._set_aside(matching, action, what=done.REMOVED_, keep=keep)
            with self._writing():
                removed = sum(map(self._delete, selections))
        if removed:
            self._history.forget()
        return removed

    # -- inside ---------------------------------------------------------------------

    def _there(self, ids: Sequence[str]) -> list[str]:
        return [*self._references.retrieve(ids, payload=False)] if self._history.keeps else []

    def _move(
        self, changes: Sequence[Change], action: Action, *, what: str, undoes: str | None = None
    ) -> None:
        """Give references other values, written down first; inside of one write.

        Args:
            changes: each to a mark of its own, or else to that of this step.
            action: which it is part of.
            what: is done.
            undoes: an action.
        """
        changed_at = self._clock.next()
        event = Event(action, self._history.step(), what, changed_at, 0, undoes=undoes)
        times: dict[str, Any] = {} if what == done.DISMISSED_ else {CHANGED_AT: changed_at}
        if times and self._history.keeps:
            changes = [replace(c, after={MARK: event.mark, **(c.after or {})}) for c in changes]
        before, after = _told(changes, before=True), _told(changes, before=False)
        self._history.write(
            replace(
                event,
                count=sum(len(change.ids) for change in changes),
                before=done.told(before),
                after=done.told(after),
                changes=changes,
            )
        )
        together: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
        for change in changes:
            alike = together.setdefault(
                json.dumps(change.after, sort_keys=True), (change.after or {}, [])
            )
            alike[1].extend(change.ids)
        moves = what == done.RELABELLED
        gone, come = (before.elements(), after.elements()) if moves else ((), ())
        with self._known.moving(gone, come):
            for values, ids in together.values():
                these = Matching(ids=tuple(ids))
                self._references.set_payload({**values, **times}, these, f"{len(ids)} references")

    def _set_aside(
        self,
        matching: Matching,
        action: Action,
        *,
        what: str,
        keep: bool = True,
        undoes: str | None = None,
    ) -> None:
        """Write down what is about to be removed, and keep it where it is to come back."""
        if not self._history.keeps:
            return
        pages = self._references.pages(
            matching,
            payload=True if keep else ("label", MARK),
            vectors=keep,
            limit=WHOLE_AT_A_TIME if keep else POINTS_PER_CALL,
        )
        try:
            for page in pages:
                changes = _alike(page, None)
                event = Event(
                    action,
                    self._history.step(),
                    what,
                    self._clock.next(),
                    len(page),
                    before=done.told(_told(changes, before=True)),
                    undoes=undoes,
                    kept=keep,
                    changes=changes,
                )
                self._history.write(event)
                if keep:
                    size = self._history.keep(action, event.step, page)
                    self._history.write(replace(event, bytes=size))
            self._history.settle()
        except DiskFull:  # removing goes on: it makes room
            _log.warning("the disk is full: what is removed is not kept, and cannot be undone")

    def _delete(self, matching: Matching) -> int:
        removed = 0
        for page in self._labels(matching):
            these = Matching(ids=tuple(page))
            with self._known.moving(page.values(), ()):
                self._references.delete(these, f"{len(page)} references")
            removed += len(page)
        if self.shared:
            self._references.delete(matching, LEFT_OVER)
        return removed


def _alike(records: Iterable[Record], after: Mapping[str, Any] | None) -> list[Change]:
    """What a step changes: together those that have the same values of what it moves."""
    keys = ["label", MARK] if after is None else [*after]
    if after is not None and keys != [DISMISSED]:
        keys.append(MARK)
    alike: dict[tuple[Any, ...], list[str]] = {}
    for record in records:
        payload = record.payload or {}
        alike.setdefault(tuple(map(payload.get, keys)), []).append(str(record.id))
    return [
        Change(ids, dict(zip(keys, values, strict=True)), after) for values, ids in alike.items()
    ]


def _told(changes: Iterable[Change], *, before: bool) -> Counter[str]:
    """How many references have which label, or group, on one side of a step."""
    counted: Counter[str] = Counter()
    for change in changes:
        values = (change.before if before else change.after) or {}
        for key in ("label", "group"):
            if values.get(key) is not None:
                counted[values[key]] += len(change.ids)
    return counted
