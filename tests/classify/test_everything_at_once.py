"""Every kind of change at the same time, while every mode is asked, in process and over HTTP.

`HOLOTYPE_TEST_SECONDS` sets for how long.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from classify.classifier import Classifier
from classify.modes import Mode
from classify.options import QueryOptions
from head import registry
from head.job import retrain
from head.options import RetrainOptions
from holotype.references import Where
from tests.classify.conftest import picture
from tests.classify.service.conftest import images
from tests.classify.shelves import SHELVES, Shelf, shelf
from tests.head.conftest import SIZES
from tests.references import picture_id
from tests.running import Running, running

SECONDS = float(os.environ.get("HOLOTYPE_TEST_SECONDS", "3"))

ALWAYS = frozenset(SIZES)
"""Classes that are never empty."""


@dataclass
class History:
    """When each class and each active head may have been there."""

    spans: dict[str, list[list[float]]] = field(default_factory=dict)
    """From the begin of what brought it to the end of what took it away."""
    ended: threading.Event = field(default_factory=threading.Event)

    def begins(self, what: str) -> None:
        """It is about to come."""
        self.spans.setdefault(what, []).append([time.monotonic(), float("inf")])

    def ends(self, what: str) -> None:
        """It has gone."""
        self.spans[what][-1][1] = time.monotonic()

    @contextmanager
    def replacing(self, old: str, new: str) -> Any:
        """The block puts one in the place of the other."""
        self.begins(new)
        yield
        self.ends(old)

    def held(self, what: str, since: float) -> bool:
        """Whether it may have been there at some time between then and now."""
        return any(end >= since for _, end in list(self.spans.get(what, ())))


@dataclass
class Trial:
    """One gallery under everything."""

    shelf: Shelf
    running: Running
    history: History
    classifier: Classifier

    def go(self) -> None:
        """All of them until the time is over."""
        writers = (self.come_and_go, self.split_and_merge, self.swap_heads)
        askers = (*(self.ask_here,) * 2, *(self.ask_over_http,) * 4)
        with ThreadPoolExecutor(len(writers) + len(askers)) as threads:
            done = [threads.submit(self._until_ended, work) for work in (*writers, *askers)]
            self.history.ended.wait(SECONDS)
            self.history.ended.set()
            assert min(future.result() for future in done) > 0

    def _until_ended(self, work: Callable[[int], None]) -> int:
        """Again and again; how often."""
        for turn in count():
            if self.history.ended.is_set():
                return turn
            try:
                work(turn)
            except BaseException:
                self.history.ended.set()
                raise
        raise AssertionError

    # -- changes -------------------------------------------------------------------------

    def come_and_go(self, turn: int) -> None:
        """A class is added, renamed and removed."""
        store, history = self.shelf.store, self.history
        history.begins("moth")
        store.add(self.shelf.references("moth", 6, first=6 * turn))
        with history.replacing("moth", "fly"):
            store.relabel("fly", where=Where.equal("label", "moth"))
        store.remove(where=Where.equal("label", "fly"))
        history.ends("fly")

    def split_and_merge(self, turn: int) -> None:
        """Some references of a class leave it, and come back."""
        some = [picture_id(f"bee-{n}") for n in range(turn % 5 + 1)]
        self.history.begins("queen")
        self.shelf.store.relabel("queen", ids=some)
        self.shelf.store.relabel("bee", where=Where.equal("label", "queen"))
        self.history.ends("queen")

    def swap_heads(self, turn: int) -> None:
        """Heads are trained, promoted and rolled back."""
        store = self.shelf.store
        before = store.active_head()
        assert before is not None
        if turn == 0:
            store.save_head(store.load_head(before.version))
        other = self.heads[turn % 2]
        with self.history.replacing(before.version, other):
            if other in before.history[-1:]:
                registry.rollback(store)
            else:
                registry.promote(store, other)
        if before.version == other:
            self.history.begins(other)

    # -- questions -----------------------------------------------------------------------

    heads: tuple[str, str] = ("", "")

    def ask_here(self, turn: int) -> None:
        """In this process."""
        mode = list(Mode)[turn % 3]
        since = time.monotonic()
        queries = self.shelf.queries("moth", 3)
        for answer in self.classifier.classify(queries, QueryOptions(mode=mode, evidence=3)):
            self._check(since, [s.label for s in answer.scores], answer.head)

    def ask_over_http(self, turn: int) -> None:
        """As a client of the service."""
        mode = list(Mode)[turn % 3]
        since = time.monotonic()
        response = self.running.http.post(
            "/v1/classify", files=images(picture("red", turn % 7)), data={"mode": mode.value}
        )
        assert response.status_code == 200, response.text
        answer = response.json()["results"][0]["answer"]
        named = [answer["label"], *(other["label"] for other in answer["runners_up"])]
        self._check(since, named, answer["head"])

    def _check(self, since: float, named: list[str], head: str | None) -> None:
        for label in named:
            assert label in ALWAYS or self.history.held(label, since), label
        assert head is None or self.history.held(head, since), head


@pytest.mark.parametrize("engine", SHELVES)
def test_everything_at_once__no_error_and_no_answer_of_another_time(
    engine: str, tmp_path: Path
) -> None:
    """Whatever is written meanwhile, every answer is of a state between question and answer."""
    with shelf(engine, tmp_path) as made, running(made.store) as service:
        history = History()
        first = registry.active(made.store)
        assert first is not None
        history.begins(first.version)
        made.store.add(made.references("wasp", 6, first=100))
        second = retrain(made.store, RetrainOptions(force=True)).version
        history.begins(second)
        registry.rollback(made.store)
        history.ends(second)
        trial = Trial(made, service, history, Classifier(made.store))
        trial.heads = (second, first.version)
        trial.go()
        assert made.store.counts().keys() - {"moth", "fly", "queen"} == ALWAYS
