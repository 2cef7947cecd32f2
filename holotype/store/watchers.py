"""Who is told of changes that are made through a store."""

from __future__ import annotations

import threading
import weakref
from enum import Enum, auto
from typing import Protocol


class Change(Enum):
    """What happened."""

    REFERENCES = auto()
    """Some were added, relabelled or removed."""
    ACTIVE_HEAD = auto()
    """The pointer was moved."""
    CLOSING = auto()
    """The store is about to close: nothing may be asked of it any more."""


class Watcher(Protocol):
    """Is told."""

    def changed(self, change: Change) -> None:
        """Called in the thread that made the change, when it is durable, before it returns."""
        ...


class Watchers:
    """The watchers of one store, none of which is kept alive by it. Safe for several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._watching: weakref.WeakSet[Watcher] = weakref.WeakSet()

    def add(self, watcher: Watcher) -> None:
        """Tell this one too from now on."""
        with self._guard:
            self._watching.add(watcher)

    def tell(self, change: Change) -> None:
        """Tell all of them, one after the other."""
        with self._guard:
            watching = list(self._watching)
        for watcher in watching:
            watcher.changed(change)
