"""The server adapter when the network or the server fails: nothing lost, nothing doubled."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import stamina.instrumentation

from holotype.errors import GalleryMissing, StoreError, StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.server import ServerStore
from holotype.store.server.galleries import heads_collection, references_collection
from tests.holotype.store.faults import PASSING, Fault
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures, picture_id, random_unit

SHORT_S, LONG_S = 0.3, 30.0
"""How long clients wait for an answer: where none will come, and elsewhere."""


class Printing:
    """What structlog does where nobody has configured it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def warning(self, event: str, **_: object) -> None:
        """Print."""
        sys.stdout.write(f"{self._name}: {event}\n")


FOR_EVER = 1_000_000

VERSION = "20261101-120000-aaaa"


@pytest.fixture
def connect(
    request: pytest.FixtureRequest, qdrant_http: QdrantHttp, fingerprint: Fingerprint
) -> Iterator[Callable[[], ServerStore]]:
    """Opens the gallery of this test on the HTTP app."""
    opened: list[ServerStore] = []
    test = getattr(request.node, "callspec", None)
    silent = test is not None and test.params.get("fault") in {Fault.TIMEOUT, Fault.LATE_ANSWER}
    patience = SHORT_S if silent else LONG_S

    def open_it() -> ServerStore:
        settings = Settings.load(qdrant_url=qdrant_http.url, qdrant_timeout=patience)
        store = ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE)
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(connect: Callable[[], ServerStore], pictures: Pictures) -> ServerStore:
    """A gallery of two classes with a head, in good health so far."""
    store = connect()
    store.add([*pictures.many("wasp", 3), *pictures.many("bee", 2)])
    store.save_head(_head(store, "20261001-120000-0000"))
    return store


def _head(store: ServerStore, version: str = VERSION) -> StoredHead:
    columns = store.fingerprint.dimension + 1
    rows = np.stack([random_unit(f"row {n}", columns) for n in range(3)])
    record = HeadRecord(version=version, created_at="now", status="ready", labels=("a", "b", "c"))
    return StoredHead(record=record, blocks={"weights": rows})


# -- a failure that passes --------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """Something a user does, the request that fails meanwhile, and what must be true after."""

    operation: str
    act: Callable[[ServerStore, Pictures], object]
    check: Callable[[ServerStore, Pictures, object], None]


def _add(store: ServerStore, pictures: Pictures) -> None:
    store.add(pictures.many("fly", 4))


def _added(store: ServerStore, pictures: Pictures, _: object) -> None:
    assert store.counts() == {"fly": 4, "wasp": 3, "bee": 2}
    exported = {i: v for b in store.export() for i, v in zip(b.ids, b.vectors, strict=True)}
    for item in pictures.many("fly", 4):
        assert np.allclose(exported[item.reference.id], item.vector, atol=1e-6)


def _search(store: ServerStore, pictures: Pictures) -> object:
    query = pictures.embedded("wasp-1", "wasp").vector
    return store.neighbours(query[None], k=3)


def _found(_: ServerStore, __: Pictures, answer: object) -> None:
    [neighbours] = answer  # type: ignore[misc]  # act and check belong together
    assert neighbours[0].id == picture_id("wasp-1")
    assert len(neighbours) == 3


def _export(store: ServerStore, _: Pictures) -> object:
    return sorted(i for batch in store.export(batch_size=2) for i in batch.ids)


def _exported(store: ServerStore, _: Pictures, ids: object) -> None:
    assert ids == [r.id for r in store.list_references().references]


def _relabel(store: ServerStore, _: Pictures) -> object:
    return store.relabel("hornet", where=Where.equal("label", "wasp"))


def _relabelled(store: ServerStore, _: Pictures, changed: object) -> None:
    assert (changed, store.counts()) == (3, {"hornet": 3, "bee": 2})


def _remove(store: ServerStore, _: Pictures) -> object:
    return store.remove(where=Where.equal("label", "wasp"))


def _removed(store: ServerStore, _: Pictures, removed: object) -> None:
    assert (removed, store.counts()) == (3, {"bee": 2})


def _save(store: ServerStore, _: Pictures) -> None:
    store.save_head(_head(store))


def _saved(store: ServerStore, _: Pictures, __: object) -> None:
    loaded = store.load_head(VERSION)
    assert np.array_equal(loaded.blocks["weights"], _head(store).blocks["weights"])
    assert [record.version for record in store.heads()] == ["20261001-120000-0000", VERSION]


def _activate(store: ServerStore, _: Pictures) -> None:
    store.set_active_head(ActiveHead("20261001-120000-0000", history=("older",)))


def _active(store: ServerStore, _: Pictures, __: object) -> None:
    assert store.active_head() == ActiveHead("20261001-120000-0000", history=("older",))


def _lease(store: ServerStore, _: Pictures) -> object:
    return store.acquire_lease("retrain", holder="me", seconds=60).holder


def _leased(store: ServerStore, _: Pictures, holder: object) -> None:
    assert holder == "me"
    assert store.acquire_lease("retrain", holder="you", seconds=60).holder == "me"


def _release(store: ServerStore, _: Pictures) -> None:
    store.acquire_lease("retrain", holder="me", seconds=60)
    store.release_lease("retrain", holder="me")


def _released(store: ServerStore, _: Pictures, __: object) -> None:
    assert store.acquire_lease("retrain", holder="you", seconds=60).holder == "you"


SCENARIOS = {
    "add": Scenario("upsert", _add, _added),
    "neighbours": Scenario("search", _search, _found),
    "export": Scenario("scroll", _export, _exported),
    "relabel": Scenario("set_payload", _relabel, _relabelled),
    "remove": Scenario("delete", _remove, _removed),
    "save_head": Scenario("upsert", _save, _saved),
    "set_active_head": Scenario("upsert", _activate, _active),
    "acquire_lease": Scenario("upsert", _lease, _leased),
    "release_lease": Scenario("delete", _release, _released),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_passing_fault__is_outlasted(
    scenario: Scenario,
    fault: Fault,
    qdrant_http: QdrantHttp,
    store: ServerStore,
    pictures: Pictures,
) -> None:
    """A request that fails once is repeated, and the outcome is as if it had not failed."""
    qdrant_http.faults.add(fault, on=scenario.operation)

    answer = scenario.act(store, pictures)

    assert qdrant_http.faults.happened == [(fault, scenario.operation)]
    scenario.check(store, pictures, answer)


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.DROPPED])
def test_add__fails_in_a_later_batch(
    fault: Fault, qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A batch that fails between others is repeated alone, and each reference is there once."""
    qdrant_http.faults.add(fault, on="upsert", skip=2, times=2)
    before = qdrant_http.count("upsert")

    store.add(pictures.many("fly", 1_200))

    stored = qdrant_http.points(references_collection(store.gallery, store.fingerprint))
    assert len(stored) == 1_205
    # A step of the history and three batches, one of them three times.
    assert qdrant_http.count("upsert") - before == 6


def test_add__one_moment_of_change(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A repeated batch carries the same time of change: repeating it changes nothing."""
    qdrant_http.faults.add(Fault.LOST_ANSWER, on="upsert", skip=1, times=2)

    store.add(pictures.many("fly", 2))

    bodies = [r.body["points"] for r in qdrant_http.requests if r.operation == "upsert"][-3:]
    assert bodies[0] == bodies[1] == bodies[2]


def test_server_goes_away__and_comes_back(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A server that refuses connections for a while, as in a restart, is waited for."""
    qdrant_http.faults.add(Fault.REFUSED, on="upsert")

    def reopen(details: stamina.instrumentation.RetryDetails) -> None:
        if details.retry_num == 3:
            qdrant_http.listen()

    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([reopen])
    try:
        store.add(pictures.many("fly", 4))
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)

    assert store.counts()["fly"] == 4


# -- a failure that stays ---------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_lasting_fault__ends_with_a_remedy(
    fault: Fault, qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A request that keeps failing is repeated a bounded number of times, then explained."""
    before = qdrant_http.count("upsert")
    qdrant_http.faults.add(fault, on="upsert", skip=1, times=FOR_EVER)

    with pytest.raises(StoreUnavailable) as caught:
        store.add(pictures.many("fly", 2))

    assert qdrant_http.count("upsert") - before == 1 + AT_ONCE.attempts
    message = str(caught.value)
    assert f"Qdrant at {qdrant_http.url}" in message
    assert "while storing 2 references" in message
    assert "Tried 4 times. Is the server running, and is HOLOTYPE_QDRANT_URL right?" in message


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LATE_ANSWER])
def test_lasting_fault__same_command_again_finishes(
    fault: Fault, qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """After a failure whose write was done, doing it again leaves each reference once."""
    qdrant_http.faults.add(fault, on="upsert", times=AT_ONCE.attempts)
    with pytest.raises(StoreUnavailable):
        store.add(pictures.many("fly", 2))

    store.add(pictures.many("fly", 2))

    assert store.counts() == {"wasp": 3, "bee": 2, "fly": 2}


def test_save_head__torn_is_never_seen(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """A head whose record could not be written does not exist, and can be saved again."""
    qdrant_http.faults.add(Fault.UNAVAILABLE_503, on="upsert", skip=1, times=AT_ONCE.attempts)
    with pytest.raises(StoreUnavailable):
        store.save_head(_head(store))
    assert VERSION not in [record.version for record in store.heads()]

    store.save_head(_head(store))

    assert np.array_equal(
        store.load_head(VERSION).blocks["weights"], _head(store).blocks["weights"]
    )
    rows = [
        point
        for point in qdrant_http.points(heads_collection(store.gallery, store.fingerprint))
        if (point.payload or {}).get("version") == VERSION
    ]
    assert len(rows) == 4  # three rows and the record


@pytest.mark.parametrize("operation", ["upsert", "search"])
def test_refused_request__is_not_repeated(
    operation: str, qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures
) -> None:
    """A request that the server refuses for good is made once, and its reason is told."""
    qdrant_http.faults.add(Fault.BAD_REQUEST_400, on=operation, times=FOR_EVER)
    before = qdrant_http.count(operation)

    with pytest.raises(StoreError, match=r"refuses a request .*400.*: made to fail with 400"):
        (_add if operation == "upsert" else _search)(store, pictures)

    assert qdrant_http.count(operation) - before == 1


def test_nobody_listens(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> None:
    """An address where nothing runs is told with the address and what to check."""
    qdrant_http.refuse()
    settings = Settings.load(qdrant_url=qdrant_http.url)

    with pytest.raises(StoreUnavailable) as caught:
        ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE)

    message = str(caught.value)
    assert f"Qdrant at {qdrant_http.url} cannot be reached" in message
    assert "Is the server running" in message


def test_not_a_qdrant(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, connect: Callable[[], ServerStore]
) -> None:
    """An address that answers with something else than Qdrant's JSON is told so, at once."""
    qdrant_http.faults.add(Fault.NOT_JSON, on="version")

    with pytest.raises(StoreUnavailable, match=r"not Qdrant's .*HOLOTYPE_QDRANT_URL"):
        connect()

    assert len(qdrant_http.requests) == 1


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_no_result(
    qdrant_http: QdrantHttp, store: ServerStore, pictures: Pictures, scenario: Scenario
) -> None:
    """An answer without a result is no Qdrant's: said as that, whatever was asked."""
    qdrant_http.faults.add(Fault.NULL, on=scenario.operation, times=FOR_EVER)

    with pytest.raises(StoreUnavailable, match="gave an answer that is not Qdrant's while"):
        scenario.act(store, pictures)


def test_gallery_deleted_meanwhile(qdrant_http: QdrantHttp, store: ServerStore) -> None:
    """A collection that somebody deletes under an open store is named, not called a bug."""
    qdrant_http.engine.delete_collection(references_collection("default", store.fingerprint))

    with pytest.raises(GalleryMissing, match=r"gallery 'default' .*deleted meanwhile"):
        store.counts()


def test_closed_store(store: ServerStore) -> None:
    """Using a store after closing it is an error of ours, not of the HTTP library."""
    store.close()
    store.close()

    with pytest.raises(StoreError, match="closed"):
        store.counts()


# -- what is told meanwhile -------------------------------------------------------------


def test_repeats__are_logged_not_printed(
    qdrant_http: QdrantHttp,
    store: ServerStore,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each repetition is a line for people; standard output, where data go, stays clean."""
    qdrant_http.faults.add(Fault.UNAVAILABLE_503, on="facet", times=2)

    store.counts()

    lines = [record.getMessage() for record in caplog.records]
    assert [line.rpartition("; ")[2] for line in lines] == [
        "trying again (try 2)",
        "trying again (try 3)",
    ]
    assert lines[0].startswith(f"Qdrant at {qdrant_http.url} failed while counting by label (503: ")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("structlog", [None, SimpleNamespace(get_logger=Printing)])
def test_default_hooks__say_nothing(
    structlog: object,
    qdrant_http: QdrantHttp,
    connect: Callable[[], ServerStore],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A repetition is said once, by us: stamina neither logs it again nor prints it on stdout."""
    monkeypatch.setitem(sys.modules, "structlog", structlog)
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks(None)
    try:
        qdrant_http.faults.add(Fault.UNAVAILABLE_503, on="exists")
        connect()
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)

    assert capsys.readouterr().out == ""
    (said,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert "trying again (try 2)" in said.getMessage()
