"""Curation in a service: what was found, and one job of each kind at a time that finds it anew.

What was found belongs to the gallery as it was; it is kept until something newer is found, and
says whether it is still of the gallery as it is. Nobody who asks waits for a job.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from classify.service.still_open import open_duplicates, open_suspects
from classify.service.watched_job import Check, JobProgress, WatchedJob
from head.steps import Tell
from holotype.errors import StoreError

if TYPE_CHECKING:
    from holotype.store.port import GalleryState, VectorStore

KINDS = ("suspects", "duplicates", "classes", "map")

OPTIONS: Mapping[str, Mapping[str, Any]] = {"suspects": {"above": 0.1}}
"""Of each kind. Ten looks a wrong label: so many are listed, those below one half apart."""


class Curate(Protocol):
    """`curate.apart.curate_apart` on the service's gallery."""

    def __call__(  # noqa: D102  as there
        self, kind: str, options: Mapping[str, Any], *, tell: Tell, look: Check
    ) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class _Found:
    """A result, what was asked, and of which gallery it is."""

    options: Mapping[str, Any]
    state: GalleryState
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Curated:
    """What there is to say of one kind."""

    progress: JobProgress
    result: Mapping[str, Any] | None
    """The last that was found with these options, without what was decided since; None before
    any was."""
    current: bool
    """Whether it is of the gallery as it is now."""


class Curation:
    """What was found, and the jobs that find it. Safe for several threads."""

    def __init__(self, store: VectorStore, curate: Curate) -> None:
        """Take the store, and what works on it."""
        self._store, self._curate = store, curate
        self._guard = threading.Lock()
        self._found: dict[str, _Found] = {}
        self._stopped = threading.Event()
        self._jobs = {kind: WatchedJob(self._work(kind), name=kind) for kind in KINDS}

    def look(self, kind: str, options: Mapping[str, Any], *, between: str | None = None) -> Curated:
        """What is known now; starts nothing.

        Raises:
            UnknownFilterKey: of `open_duplicates`.
        """
        state = self._store.state()
        progress = self._jobs[kind].progress
        with self._guard:
            found = self._found.get(kind)
        if found is None or found.options != options:
            return Curated(progress, None, current=False)
        result = found.result
        if kind == "suspects":
            result = open_suspects(self._store, result)
        elif kind == "duplicates":
            result = open_duplicates(self._store, result, between=between)
        return Curated(progress, result, current=found.state == state)

    def start(self, kind: str, options: Mapping[str, Any]) -> Curated:
        """Look anew, unless what is known is of the gallery as it is, or somebody looks already."""
        known = self.look(kind, options)
        if not known.current:
            self._jobs[kind].begin(options)
        return self.look(kind, options)

    def close(self) -> None:
        """End the jobs; calling it twice is fine."""
        self._stopped.set()
        for job in self._jobs.values():
            job.close()

    def _work(self, kind: str) -> Callable[[Mapping[str, Any], Tell, Check], Mapping[str, Any]]:
        def work(options: Mapping[str, Any], tell: Tell, _check: Check) -> Mapping[str, Any]:
            state = self._store.state()
            self._require_service()
            asked = {**OPTIONS.get(kind, {}), **options}
            result = self._curate(kind, asked, tell=tell, look=self._require_service)
            with self._guard:
                self._found[kind] = _Found(options, state, result)
            return result

        return work

    def _require_service(self) -> None:
        if self._stopped.is_set():
            raise StoreError("the service ended before the work was done: nothing was changed")
