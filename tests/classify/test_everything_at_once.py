"""Every kind of change at the same time, while every mode is asked, in process and over HTTP.

`HOLOTYPE_TEST_SECONDS` sets for how long.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from holotype.references import Where
from tests.classify.conftest import picture
from tests.classify.service.conftest import images
from tests.classify.shelves import SHELVES, Shelf, shelf, trained_head
from tests.head.conftest import SIZES
from tests.references import picture_id
from tests.running import Running, running

SECONDS = float(os.environ.get("HOLOTYPE_TEST_SECONDS", "3"))

ALWAYS = frozenset(SIZES)
"""Classes that are never empty."""


@dataclass(frozen=True)
class Seen:
    """One answer, and when it may be of."""

    since: float
    until: float
    named: tuple[str, ...]
    """Labels, and the head's version."""


@dataclass
class History:
    """When each class and each active head may have been there."""

    spans: dict[str, list[list[float]]] = field(default_factory=dict)
    """From the begin of what brought it to the end of what took it away, monotonic seconds."""
    seen: list[Seen] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def came(self, what: str, since: float) -> None:
        """It came at that time or later."""
        self.spans.setdefault(what, []).append([since, float("inf")])

    def went(self, what: str) -> None:
        """It has gone."""
        self.spans[what][-1][1] = time.monotonic()

    def check(self) -> None:
        """Every answer is of a state between its question and itself."""
        for seen in self.seen:
            for what in seen.named:
                spans = self.spans.get(what, [])
                of_its_time = any(a <= seen.until and b >= seen.since for a, b in spans)
                assert what in ALWAYS or of_its_time, (what, seen)


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
        history.came("moth", time.monotonic())
        store.add(self.shelf.references("moth", 6, first=6 * turn))
        history.came("fly", time.monotonic())
        store.relabel("fly", where=Where.equal("label", "moth"))
        history.went("moth")
        store.remove(where=Where.equal("label", "fly"))
        history.went("fly")

    def split_and_merge(self, turn: int) -> None:
        """Some references of a class leave it, and come back."""
        some = [picture_id(f"bee-{n}") for n in range(turn % 5 + 1)]
        self.history.came("queen", time.monotonic())
        self.shelf.store.relabel("queen", ids=some)
        self.shelf.store.relabel("bee", where=Where.equal("label", "queen"))
        self.history.went("queen")

    def swap_heads(self, turn: int) -> None:
        """A head is trained now and then; the active one is rolled back, and promoted again."""
        store, since = self.shelf.store, time.monotonic()
        before = store.active_head()
        assert before is not None
        if turn % 20 == 0:
            self._train(before.version, since)
            return
        self.running.http.post("/v1/heads/rollback").raise_for_status()
        now = store.active_head()
        assert now is not None
        self.history.came(now.version, since)
        self.history.went(before.version)
        since = time.monotonic()
        self.running.http.post(f"/v1/heads/{before.version}/promote").raise_for_status()
        self.history.came(before.version, since)
        self.history.went(now.version)

    def _train(self, before: str, since: float) -> None:
        http = self.running.http
        assert http.post("/v1/retrain", json={"force": True}).status_code == 202
        while (state := http.get("/v1/retrain").json())["state"] == "running":
            time.sleep(0.02)
        assert state["state"] == "done", state
        self.history.came(state["result"]["version"], since)
        self.history.went(before)

    # -- questions -----------------------------------------------------------------------

    def ask_here(self, turn: int) -> None:
        """In this process."""
        options = QueryOptions(mode=list(Mode)[turn % 3], evidence=3)
        since = time.monotonic()
        answers = self.classifier.classify(self.shelf.queries("moth", 3), options)
        for answer in answers:
            self._saw(since, [score.label for score in answer.scores], answer.head)

    def ask_over_http(self, turn: int) -> None:
        """As a client of the service."""
        asked = {"mode": list(Mode)[turn % 3].value}
        since = time.monotonic()
        response = self.running.http.post(
            "/v1/classify", files=images(picture("red", turn % 7)), data=asked
        )
        assert response.status_code == 200, response.text
        answer = response.json()["results"][0]["answer"]
        named = [answer["label"], *(other["label"] for other in answer["runners_up"])]
        self._saw(since, named, answer["head"])

    def _saw(self, since: float, named: Sequence[str], head: str | None) -> None:
        everything = (*named, head) if head is not None else tuple(named)
        self.history.seen.append(Seen(since, time.monotonic(), everything))


@pytest.mark.parametrize("engine", SHELVES)
def test_everything_at_once__no_error_and_no_answer_of_another_time(
    engine: str, tmp_path: Path
) -> None:
    """Whatever is written meanwhile, every answer is of a state between question and answer."""
    with shelf(engine, tmp_path) as made, running(made.store) as service:
        history = History()
        history.came(trained_head().record.version, time.monotonic())
        Trial(made, service, history, Classifier(made.store)).go()
        history.check()
        assert made.store.counts().keys() - {"moth", "fly", "queen"} == ALWAYS


@pytest.mark.parametrize("engine", SHELVES)
def test_added_over_http__is_answered_by_the_next_request(engine: str, tmp_path: Path) -> None:
    """In every mode, and the metrics know of it; a class that was removed is not."""
    with shelf(engine, tmp_path) as made, running(made.store) as service:
        ruby = images(*(picture("red", seed) for seed in range(8)))

        def named() -> set[str]:
            asked = [
                service.http.post(
                    "/v1/classify", files=images(picture("red", 90)), data={"mode": mode.value}
                )
                for mode in Mode
            ]
            return {answer.json()["results"][0]["answer"]["label"] for answer in asked}

        service.http.post("/v1/references", data={"label": "ruby"}, files=ruby).raise_for_status()
        assert named() == {"ruby"}
        assert "holotype_classes 4.0" in service.http.get("/metrics").text
        service.http.delete("/v1/classes/ruby").raise_for_status()
        assert named() <= ALWAYS
        assert "holotype_classes 3.0" in service.http.get("/metrics").text
