"""Writes what is done to a gallery down, and forgets what is too old: `holotype.store.events`.

What an addition leaves is written without waiting for the disk, with the references' own flush or
soon after it: a killed process loses nothing of it, a machine that loses its power may lose the
last seconds of what history says of additions (never a reference). Everything else is on the disk
before anything is changed.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from holotype.history import Action, Limits
from holotype.store import events as told
from holotype.store.events import CHANGES, Event
from holotype.store.head_payload import EVENT, KIND, REMOVED, VERSION
from holotype.store.points import POINTS_PER_CALL, Matching, Points, Record, Without, chunks

_AT_A_TIME: Final = 64
"""Actions that may be adding at the same time and still be one event each."""

_STEPS: Final = "of the history's steps"
"""What is stored, where a server's error says it."""

_CHANGES_BETWEEN: Final = 256
"""Changes after which it is looked whether something is too old."""

_DAY_US: Final = 86_400_000_000


class Recorder:
    """The history of one gallery, as one store writes it. Safe for several threads."""

    def __init__(self, points: Points, *, columns: int, limits: Limits) -> None:
        """Write beside the heads.

        Args:
            points: of the heads' space.
            columns: D + 1.
            limits: what is kept.
        """
        self._points = points
        self._columns = columns
        self._guard = threading.Lock()
        # Steps of several processes in one action must not meet.
        self._writer, self._numbers = secrets.token_hex(3), itertools.count()
        self._adding: OrderedDict[str, tuple[Event, Counter[str]]] = OrderedDict()
        self._changes = 0
        self.limits = limits

    @property
    def keeps(self) -> bool:
        """Whether anything is written down."""
        return self.limits.days > 0

    # -- writing ----------------------------------------------------------------------

    def step(self) -> str:
        """The name of a new step."""
        return f"{self._writer}-{next(self._numbers)}"

    def added(self, action: Action, labels: Sequence[str], changed_at: int) -> str | None:
        """Before references are added: the mark that they get."""
        if not self.keeps:
            return None
        with self._guard:
            found = self._adding.pop(action.id, None)
            if found is None:
                event = Event(action, self.step(), told.ADDED, changed_at, 0)
                counted: Counter[str] = Counter()
            else:
                event, counted = found
            counted.update(labels)
            event = replace(event, count=event.count + len(labels), after=told.told(counted))
            self._adding[action.id] = event, counted
            while len(self._adding) > _AT_A_TIME:
                self._adding.popitem(last=False)
            self._points.upsert(
                [told.event_point(event, columns=self._columns)], "of the history's steps"
            )
        if found is None:
            self._forget_now_and_then()
        return event.mark

    def write(self, event: Event) -> None:
        """Write a step down, before it is done; `settle` brings it to the disk.

        Raises:
            DiskFull: there is no room for it.
        """
        if not self.keeps:
            return
        point = told.event_point(event, columns=self._columns)
        self._points.check([point])
        with self._guard:  # what is added after this is another step
            self._adding.pop(event.action.id, None)
        self._points.upsert([point], _STEPS)

    def keep(self, action: Action, step: str, records: Sequence[Record]) -> int:
        """Keep references that a step removes; returns how many bytes that takes.

        Raises:
            DiskFull: there is no room for them.
        """
        points = [told.removed_point(action, step, one, columns=self._columns) for one in records]
        self._points.check(points)
        self._points.upsert(points, "removed references")
        return sum(map(told.bytes_of, points))

    def settle(self) -> None:
        """What was written is on the disk when this returns."""
        with self._points.writing():
            pass

    def ended(self) -> None:
        """A change is over: `settle`, and now and then `forget`."""
        self.settle()
        if self.keeps:
            self._forget_now_and_then()

    # -- reading ----------------------------------------------------------------------

    def events(self, action: str | None = None, *, whole: bool = False) -> list[Event]:
        """Steps of one action, or of all of them, by time.

        Args:
            action: an id.
            whole: with what they changed.
        """
        matching = Matching.equal(kind=EVENT, **({} if action is None else {VERSION: action}))
        pages = self._points.pages(matching, payload=True if whole else Without(CHANGES))
        found = [told.event_from(record.payload or {}) for page in pages for record in page]
        return sorted(found, key=lambda event: event.changed_at)

    def removed(self, action: str) -> int:
        """How many references that this action removed can come back."""
        return self._points.count(Matching.equal(kind=REMOVED, version=action))

    def removed_by_action(self) -> dict[str, int]:
        """The same of all actions."""
        return self._points.facet(VERSION, Matching.equal(kind=REMOVED))

    def kept(self, event: Event, ids: Sequence[str]) -> Mapping[str, Record]:
        """What a step removed, by the ids of the references, with vectors of D + 1."""
        named = {told.removed_id(event.action.id, event.step, one): one for one in ids}
        found = self._points.retrieve([*named], vectors=True)
        return {named[point]: record for point, record in found.items()}

    def unkeep(self, event: Event, ids: Sequence[str]) -> None:
        """Forget what came back."""
        points = tuple(told.removed_id(event.action.id, event.step, one) for one in ids)
        self._points.delete(Matching(ids=points), "removed references")

    # -- forgetting -------------------------------------------------------------------

    def forget(self) -> None:
        """Let go of what is more, or older, than is kept: whole actions, the oldest first."""
        events = self.events()
        actions: OrderedDict[str, list[Event]] = OrderedDict()
        for event in events:
            actions.setdefault(event.action.id, []).append(event)
        oldest = time.time_ns() // 1000 - self.limits.days * _DAY_US
        gone = [id_ for id_, steps in actions.items() if steps[-1].changed_at < oldest]
        surplus = len(actions) - len(gone) - self.limits.actions
        gone += [id_ for id_ in actions if id_ not in set(gone)][: max(0, surplus)]
        for some in chunks(gone, POINTS_PER_CALL):
            for kind in (REMOVED, EVENT):
                old = Matching(one_of=((KIND, (kind,)), (VERSION, tuple(some))))
                self._points.delete(old, f"{kind}s of old actions")
        self._forget_removed({id_: steps for id_, steps in actions.items() if id_ not in gone})

    def _forget_removed(self, actions: Mapping[str, list[Event]]) -> None:
        there = self.removed_by_action()
        count, size = 0, 0
        for id_ in reversed([id_ for id_ in actions if id_ in there]):
            count += there[id_]
            size += sum(event.bytes for event in actions[id_])
            if count > self.limits.removed or size > self.limits.megabytes << 20:
                self._points.delete(Matching.equal(kind=REMOVED, version=id_), "removed references")

    def _forget_now_and_then(self) -> None:
        self._changes += 1
        if self._changes % _CHANGES_BETWEEN == 0:
            self.forget()
