"""Answers while others write: none fails, none waits, none is of yesterday."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from qdrant_client.http import models

from classify.answering import snapshot as standing
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.job import retrain
from head.versions import registry
from holotype.errors import EmptyGallery
from holotype.references import Where
from tests.classify.shelves import EVERY_MODE, SHELVES, Shelf, shelf
from tests.holotype.store.faults import Fault
from tests.running import PATIENCE_S

LINEAR = QueryOptions(mode=Mode.LINEAR, evidence=0)
WRITTEN_FOR_S = 2.0
BATCH = 8


@pytest.fixture(params=SHELVES)
def shelved(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    """A gallery with a head, on both engines in turn."""
    with shelf(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Shelf]:
    """The same on a server alone, where others can write, too."""
    with shelf("server", tmp_path) as made:
        yield made


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def labels(classifier: Classifier, shelved: Shelf, of: str, options: QueryOptions) -> set[str]:
    """What ten queries are named."""
    answers = classifier.classify(shelved.queries(of, 10), options)
    return {answer.scores[0].label for answer in answers}


def test_new_class__added_without_pause_while_eight_ask(shelved: Shelf) -> None:
    """Every query of every mode is answered, and all know the class when the writer is done."""
    classifier, ended = Classifier(shelved.store), threading.Event()
    classifier.snapshot()

    def add() -> int:
        deadline = time.monotonic() + WRITTEN_FOR_S
        added = 0
        while added < 2 * BATCH or time.monotonic() < deadline:
            shelved.store.add(shelved.references("moth", BATCH, first=added))
            added += BATCH
        ended.set()
        return added

    def ask(number: int) -> int:
        asked = 0
        while not ended.is_set():
            options = EVERY_MODE[(number + asked) % len(EVERY_MODE)]
            (answer,) = classifier.classify(shelved.queries("bee", 1), options)
            assert answer.scores[0].label == "bee"
            asked += 1
        return asked

    with ThreadPoolExecutor(9) as threads:
        adding = threads.submit(add)
        asking = [threads.submit(ask, number) for number in range(8)]
        assert adding.result() >= 2 * BATCH
        assert all(future.result() > 0 for future in asking)
    for options in EVERY_MODE:
        assert labels(classifier, shelved, "moth", options) == {"moth"}


@pytest.mark.parametrize("options", EVERY_MODE, ids=lambda o: o.mode.value)
def test_own_changes__are_honoured_at_once(shelved: Shelf, options: QueryOptions) -> None:
    """A class is answered when its `add` has returned, and not when it was removed or renamed."""
    classifier = Classifier(shelved.store)
    assert "moth" not in labels(classifier, shelved, "moth", options)
    shelved.store.add(shelved.references("moth", 8))
    assert labels(classifier, shelved, "moth", options) == {"moth"}
    shelved.store.relabel("butterfly", where=Where.equal("label", "moth"))
    assert labels(classifier, shelved, "moth", options) == {"butterfly"}
    shelved.store.remove(where=Where.equal("label", "butterfly"))
    assert labels(classifier, shelved, "moth", options) <= {"ant", "bee", "wasp"}


def test_own_promotion__is_honoured_at_once(shelved: Shelf) -> None:
    """So are a retrain and a rollback."""
    classifier = Classifier(shelved.store)
    first = registry.active(shelved.store)
    assert first is not None
    shelved.store.add(shelved.references("moth", 12))
    second = retrain(shelved.store).version
    assert classifier.classify(shelved.queries("bee", 1), LINEAR)[0].head == second
    registry.rollback(shelved.store)
    assert classifier.classify(shelved.queries("bee", 1), LINEAR)[0].head == first.version


def test_filter__follows_own_changes(shelved: Shelf) -> None:
    """What a filter leaves is known at once, too; that it leaves nothing is an error."""
    classifier = Classifier(shelved.store)
    drawer = QueryOptions(mode=Mode.LINEAR, evidence=0, where=Where.parse(["source=drawer"]))
    with pytest.raises(EmptyGallery, match="none of the 36 references"):
        labels(classifier, shelved, "bee", drawer)
    moths = [
        shelved.pictures.embedded(f"moth-{n}", "moth", vector=row, source="drawer")
        for n, row in enumerate(shelved.clouds.of("moth", 8))
    ]
    shelved.store.add(moths)
    assert labels(classifier, shelved, "bee", drawer) == {"moth"}


@pytest.mark.parametrize("options", EVERY_MODE, ids=lambda o: o.mode.value)
def test_only_newer_classes__are_answered(shelved: Shelf, options: QueryOptions) -> None:
    """Where nothing is left that the head was trained on, new classes are told apart."""
    classifier = Classifier(shelved.store)
    for label in ("moth", "fly"):
        shelved.store.add(shelved.references(label, 8))
    shelved.store.remove(where=Where.equal("label", "ant", "bee", "wasp"))
    assert labels(classifier, shelved, "moth", options) == {"moth"}
    assert labels(classifier, shelved, "fly", options) == {"fly"}


# -- where others write ------------------------------------------------------------------


def test_answers__ask_the_server_for_neighbours_alone(
    served: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is counted, exported or read anew for an answer."""
    monkeypatch.setattr(standing, "POINTER_S", 3600.0)
    monkeypatch.setattr(standing, "COUNTED_S", 3600.0)
    assert served.server is not None
    served.store.add(served.references("moth", 8))
    classifier = Classifier(served.store)
    classifier.snapshot()
    before = len(served.server.requests)
    for _ in range(5):
        for options in EVERY_MODE:
            labels(classifier, served, "bee", options)
    asked = {request.operation for request in served.server.requests[before:]}
    assert asked == {"search"}


def test_others_class__is_named_before_it_is_counted(
    served: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours bring their own labels."""
    monkeypatch.setattr(standing, "COUNTED_S", 3600.0)
    classifier = Classifier(served.store)
    classifier.snapshot()
    served.open().add(served.references("moth", 40))
    assert labels(classifier, served, "moth", QueryOptions(evidence=0)) == {"moth"}


@pytest.mark.parametrize("options", EVERY_MODE, ids=lambda o: o.mode.value)
def test_others_changes__are_known_soon_and_to_a_fresh_command_at_once(
    served: Shelf, options: QueryOptions
) -> None:
    """A class that another process removes or adds; nobody has to ask for it to be noticed."""
    lives_on, other = Classifier(served.store), served.open()
    assert labels(lives_on, served, "wasp", options) == {"wasp"}
    other.remove(where=Where.equal("label", "wasp"))
    other.add(served.references("moth", 8))
    fresh = Classifier(served.open())
    assert "wasp" not in labels(fresh, served, "wasp", options)
    assert labels(fresh, served, "moth", options) == {"moth"}
    until(lambda: "wasp" not in labels(lives_on, served, "wasp", options))
    until(lambda: labels(lives_on, served, "moth", options) == {"moth"})


def test_others_promotion__is_known_soon(served: Shelf) -> None:
    """The pointer is read again in the background."""
    lives_on, other = Classifier(served.store), served.open()
    first = lives_on.classify(served.queries("bee", 1), LINEAR)[0].head
    other.add(served.references("moth", 12))
    second = retrain(other).version
    until(lambda: lives_on.classify(served.queries("bee", 1), LINEAR)[0].head == second != first)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE_503, Fault.TIMEOUT])
def test_pointer_that_cannot_be_read__answers_go_on(served: Shelf, fault: Fault) -> None:
    """With the head that is loaded, and without waiting for those who try."""
    assert served.server is not None
    classifier = Classifier(served.store)
    before = labels(classifier, served, "bee", LINEAR)
    served.server.faults.add(fault, on="retrieve", times=1_000_000)
    until(lambda: bool(served.server and served.server.faults.happened))
    for _ in range(5):  # nothing ends the requests that hang: waiting for one would be for ever
        for options in EVERY_MODE:
            assert labels(classifier, served, "bee", options) == before == {"bee"}
    served.server.faults.clear()


def test_classes_that_cannot_be_counted__neighbours_answer(served: Shelf) -> None:
    """A server that refuses to count is searched all the same, and the linear mode says why."""
    assert served.server is not None
    served.server.faults.add(Fault.BAD_REQUEST_400, on="facet", times=1_000_000)
    classifier = Classifier(served.store)
    knn, auto = QueryOptions(evidence=0), QueryOptions(mode=Mode.AUTO, evidence=0)
    assert labels(classifier, served, "bee", knn) == {"bee"}
    assert labels(classifier, served, "bee", auto) == {"bee"}


@pytest.mark.parametrize("options", EVERY_MODE, ids=lambda o: o.mode.value)
def test_strict_server__is_asked_for_no_more_than_it_allows(
    served: Shelf, options: QueryOptions
) -> None:
    """No exact search, no exact count, and only so many points in one answer."""
    assert served.server is not None
    served.server.engine.strict = models.StrictModeConfig(
        enabled=True, search_allow_exact=False, max_query_limit=10
    )
    store = served.open()
    store.add([r for n in range(30) for r in served.references(f"moth {n}", 1)])
    classifier = Classifier(store)
    assert len(classifier.candidates(options).counts) == 33
    assert labels(classifier, served, "moth 7", options) == {"moth 7"}
    assert labels(classifier, served, "bee", options) == {"bee"}
    assert sum(len(batch) for batch in store.export()) == 66
