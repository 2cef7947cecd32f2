"""What was done to a gallery, and the way back: the part of the port that is about history.

An undo takes the steps of an action in reverse. It touches only references that are as the step
left them (see `holotype.store.events`), and is written down like any other action, so that it can
be undone. It may be interrupted anywhere: what is as it was before already is left alone, so the
same undo again finishes it.
"""

# ruff: noqa: D102  as in VectorStore

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from holotype.errors import UndoError
from holotype.heads import ActiveHead
from holotype.history import Action, Entry, Undoing, undo_of
from holotype.store import events as told
from holotype.store import head_payload as stored
from holotype.store.events import MARK, Change, Event
from holotype.store.heads import HeadStore
from holotype.store.payload import CHANGED_AT
from holotype.store.points import POINTS_PER_CALL, Matching, Point, Record, chunks
from holotype.store.watchers import Change as Watched
from holotype.store.writing import WHOLE_AT_A_TIME, WritingStore

_CHANGED, _GONE, _BACK = (
    "it was changed since",
    "it was removed since",
    "it was added again since",
)
_LOST: Final = "what was removed is not kept any longer"

_CLOCKS_US: Final = 600_000_000
"""By how much clocks of those who write to one server may differ: ten minutes."""


@dataclass
class _Undo:
    """An undo under way."""

    action: Action
    undoes: str
    write: bool
    restored: int = 0
    left: dict[str, str] = field(default_factory=dict)


class HistoryStore(WritingStore, HeadStore):
    """Tells what was done, and undoes it."""

    def history(
        self,
        *,
        label: str | None = None,
        id: str | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[Entry]:
        events = self._history.events(whole=id is not None)
        kept = self._history.removed_by_action()
        wanted = None if id is None else self._actions_of(id, events)
        undone = {e.undoes: e.action.id for e in events if e.undoes is not None}
        actions: dict[str, list[Event]] = {}
        for event in events:
            actions.setdefault(event.action.id, []).append(event)
        entries: list[Entry] = []
        for action_id, steps in reversed(actions.items()):
            entry = _entry(steps, undone_by=undone.get(action_id), kept=kept.get(action_id, 0))
            if wanted is not None and action_id not in wanted:
                continue
            if label is not None and label not in entry.before and label not in entry.after:
                continue
            entries.append(entry)
            if len(entries) == limit:
                break
        return entries

    def undo(
        self, action_id: str, *, action: Action | None = None, dry_run: bool = False
    ) -> Undoing:
        events = self._history.events(action_id, whole=True)
        if not events:
            raise UndoError(
                f"no action {action_id!r} is in the history of gallery {self.gallery!r}: "
                "`ingest history` lists those that are"
            )
        undone = events[0].action
        by = action or Action.new("undo")
        begun = undo_of(undone, who=by.who, why=by.why)
        self._refuse_undoing(undone, events, self._history.events(begun.id))
        undo = _Undo(begun, action_id, write=not dry_run)
        if not dry_run:
            self._references.check(())
        with self._references.resting():
            try:
                for event in reversed(events):
                    self._undo_step(event, undo)
            finally:
                if not dry_run:
                    self._watchers.tell(Watched.REFERENCES)
            if not dry_run:
                self._end_undo(undo)
        return Undoing(begun, undone, undo.restored, undo.left)

    # -- inside ---------------------------------------------------------------------

    def _refuse_undoing(
        self, action: Action, events: Sequence[Event], undo: Sequence[Event]
    ) -> None:
        if any(event.what == told.UNDONE for event in undo):
            raise UndoError(
                f"action {action.id} was undone already, by {undo[0].action.id}: undo that one to "
                "have it done again"
            )
        if undo:
            return  # it was interrupted
        refused = _refusal(events, self._history.removed(action.id))
        if refused is not None:
            raise UndoError(f"action {action.id} cannot be undone: {refused}")

    def _undo_step(self, event: Event, undo: _Undo) -> None:
        if event.what == told.PROMOTED:
            self._undo_promotion(event, undo)
        elif event.what == told.ADDED:
            self._undo_addition(event, undo)
        elif event.takes:
            for change in event.changes:
                for some in chunks(change.ids, WHOLE_AT_A_TIME):
                    self._bring_back(event, some, change.before or {}, undo)
        elif event.what == told.RESTORED:
            for change in event.changes:
                for some in chunks(change.ids, POINTS_PER_CALL):
                    self._take_back(some, change.after or {}, undo)
        elif event.what != told.UNDONE:
            self._move_back(event, undo)

    def _move_back(self, event: Event, undo: _Undo) -> None:
        back: list[Change] = []
        for change in event.changes:
            before, after = change.before or {}, change.after or {}
            found = self._references.retrieve(change.ids, payload=[*{*before, *after}])
            ids = [*self._still(change.ids, found, after, before, undo)]
            if ids:
                back.append(replace(change.undone(), ids=ids))
            undo.restored += len(ids)
        if back and undo.write:
            with self._references.writing():
                self._move(back, undo.action, what=event.what, undoes=undo.undoes)

    def _still(
        self,
        ids: Iterable[str],
        found: Mapping[str, Record],
        after: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        undo: _Undo,
    ) -> Iterator[str]:
        """Those that are as the step left them; what is as it was before already is no news."""
        for one in ids:
            record = found.get(one)
            payload = None if record is None else record.payload or {}
            if _has(payload, after):
                yield one
            elif not _has(payload, before):
                undo.left[one] = _GONE if payload is None else _CHANGED

    def _undo_addition(self, event: Event, undo: _Undo) -> None:
        since = Matching(changed_after=event.changed_at - _CLOCKS_US)
        ids = [
            str(record.id)
            for page in self._references.pages(since, payload=(MARK,))
            for record in page
            if (record.payload or {}).get(MARK) == event.mark
        ]
        for later in self._history.events(whole=True):
            if later.action.id == undo.action.id:
                continue
            changed = (c.ids for c in later.changes if (c.before or {}).get(MARK) == event.mark)
            for some in changed:
                there = self._references.retrieve(some, payload=(MARK,))
                for one, record in there.items():
                    if (record.payload or {}).get(MARK) != event.mark:
                        undo.left[one] = _CHANGED
        for some in chunks(ids, POINTS_PER_CALL):
            self._take_back(some, {MARK: event.mark}, undo)

    def _take_back(self, ids: Sequence[str], after: Mapping[str, Any], undo: _Undo) -> None:
        """Remove what a step brought into the gallery."""
        found = self._references.retrieve(ids, payload=[*after])
        there = [*self._still(ids, found, after, None, undo)]
        undo.restored += len(there)
        if there and undo.write:
            these = Matching(ids=tuple(there))
            self._set_aside(these, undo.action, what=told.REMOVED_, undoes=undo.undoes)
            with self._references.writing():
                self._delete(these)

    def _bring_back(
        self, event: Event, ids: Sequence[str], before: Mapping[str, Any], undo: _Undo
    ) -> None:
        """Add what a step removed, bit for bit."""
        there = self._references.retrieve(ids, payload=[*before])
        kept = self._history.kept(event, ids)
        back: list[Point] = []
        for one in ids:
            if one in there:
                if not _has(there[one].payload or {}, before):
                    undo.left[one] = _BACK
            elif one not in kept:
                undo.left[one] = _LOST
            else:
                back.append(_whole(one, kept[one]))
        undo.restored += len(back)
        if back and undo.write:
            self._restore(event, back, before, undo)

    def _restore(
        self, event: Event, points: Sequence[Point], before: Mapping[str, Any], undo: _Undo
    ) -> None:
        changed_at = self._clock.next()
        for point in points:
            point.payload[CHANGED_AT] = changed_at
        ids, labels = [p.id for p in points], [p.payload["label"] for p in points]
        with self._references.writing():
            self._history.write(
                Event(
                    undo.action,
                    self._history.step(),
                    told.RESTORED,
                    changed_at,
                    len(points),
                    after=told.told(Counter(labels)),
                    undoes=undo.undoes,
                    changes=[Change(ids, None, before)],
                )
            )
            with self._known.moving((), labels):
                self._references.upsert(points, "references")
        self._history.unkeep(event, ids)

    def _undo_promotion(self, event: Event, undo: _Undo) -> None:
        [change] = event.changes
        before, after = change.before, change.after or {}
        active = self.active_head()
        payload = None if active is None else stored.active_payload(active)
        if not _has(payload, after):
            if not _has(payload, before):
                undo.left[str(after["points_to"])] = "another head was promoted since"
            return
        if before is None or all(one.version != before["points_to"] for one in self.heads()):
            undo.left[str(after["points_to"])] = "the head before it is gone"
            return
        undo.restored += 1
        if undo.write:
            self._promote(stored.active_from(before), undo.action, undoes=undo.undoes)
            self._watchers.tell(Watched.ACTIVE_HEAD)

    def _promote(self, active: ActiveHead, action: Action, *, undoes: str | None = None) -> None:
        """Move the pointer, and write it down where it names another head than before."""
        now = self.active_head()
        HeadStore.set_active_head(self, active)
        if self._history.keeps and (now is None or now.version != active.version):
            before = None if now is None else stored.active_payload(now)
            change = Change([], before, stored.active_payload(active))
            event = Event(
                action,
                self._history.step(),
                told.PROMOTED,
                self._clock.next(),
                1,
                before={} if now is None else {now.version: 1},
                after={active.version: 1},
                undoes=undoes,
                changes=[change],
            )
            self._history.write(event)
            self._history.settle()

    def _end_undo(self, undo: _Undo) -> None:
        step, now = self._history.step(), self._clock.next()
        end = Event(undo.action, step, told.UNDONE, now, undo.restored, undoes=undo.undoes)
        self._history.write(end)
        self._history.settle()

    def _actions_of(self, id_: str, events: Iterable[Event]) -> set[str]:
        """Those that changed this reference, and those that its marks name."""
        actions, marks = set(), set()
        for record in self._references.retrieve([id_], payload=(MARK,)).values():
            marks.add((record.payload or {}).get(MARK))
        for event in events:
            for change in event.changes:
                if id_ in change.ids:
                    actions.add(event.action.id)
                    marks |= {(side or {}).get(MARK) for side in (change.before, change.after)}
        return actions | {str(mark).partition("/")[0] for mark in marks if mark is not None}


def _has(payload: Mapping[str, Any] | None, values: Mapping[str, Any] | None) -> bool:
    """Whether a reference (None: it is not there) has these values (None: is not there)."""
    if payload is None or values is None:
        return payload is None and values is None
    return all(payload.get(key) == value for key, value in values.items())


def _whole(id_: str, record: Record) -> Point:
    payload = dict((record.payload or {})["payload"])
    return Point(id_, np.array(record.vector[:-1], dtype=np.float32), payload)


def _entry(steps: Sequence[Event], *, undone_by: str | None, kept: int) -> Entry:
    what: Counter[str] = Counter()
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for step in steps:
        if step.what != told.UNDONE:
            what[step.what] += step.count
        before.update(step.before)
        after.update(step.after)
    refused = None if undone_by is None else f"it was undone by {undone_by}"
    return Entry(
        action=steps[0].action,
        what=dict(what),
        before=dict(before.most_common()),
        after=dict(after.most_common()),
        undoes=next((step.undoes for step in steps if step.undoes), None),
        undone_by=undone_by,
        refused=refused or _refusal(steps, kept),
    )


def _refusal(steps: Sequence[Event], kept: int) -> str | None:
    """Why an action cannot be undone; None where it can, if maybe not all of it."""
    taken = [step for step in steps if step.takes]
    if any(not step.kept for step in taken):
        return (
            "it removed more references at once than are kept (HOLOTYPE_HISTORY_REMOVED): "
            "restore a backup, or add them again"
        )
    if taken and not kept and sum(step.bytes for step in taken):
        return (
            f"{_LOST} (HOLOTYPE_HISTORY_DAYS, HOLOTYPE_HISTORY_REMOVED, HOLOTYPE_HISTORY_MB): "
            "restore a backup, or add them again"
        )
    return None
