"""The right to retrain: whose it is, how long, and what a run does that lost it."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable

import pytest

from head.job import retrain
from head.steps import Standing, Step
from head.versions import lease, registry
from head.versions.lease import NAME, Holder, only_retrain
from holotype.errors import HeadBusy, StoreUnavailable
from holotype.fingerprint import Fingerprint
from holotype.heads import Lease
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.holotype.store.server_engines import MemoryEngine
from tests.references import Pictures

PATIENCE_S = 60


@pytest.fixture
def gallery(store: VectorStore, clouds: Clouds, pictures: Pictures) -> VectorStore:
    """Three classes of twelve."""
    store.add(clouds.references(SIZES, pictures))
    return store


def take_over(store: VectorStore, holder: str = "farm pid 7 since 2026-11-01T12:00:00Z #1") -> None:
    """Let another run have the lease, as if this one had stood still for too long."""
    own = store.acquire_lease(NAME, holder="nobody", seconds=1).holder
    store.release_lease(NAME, holder=own)
    assert store.acquire_lease(NAME, holder=holder, seconds=600).holder == holder


def test_only_retrain__a_second_one_in_the_same_process_is_refused(gallery: VectorStore) -> None:
    """That a run has the same process number does not make it dead."""
    with (
        only_retrain(gallery),
        pytest.raises(HeadBusy, match=f"another retrain is running.*process {os.getpid()} on"),
    ):
        retrain(gallery)
    assert gallery.heads() == []


def test_only_retrain__the_same_host_and_a_process_that_is_not_here(gallery: VectorStore) -> None:
    """A container may share our host name and have processes that we do not see."""
    elsewhere = Holder(platform.node() or "unknown", 2**22 + 1, "2026-11-01T12:00:00Z", "0badcafe")
    gallery.acquire_lease(NAME, holder=str(elsewhere), seconds=600)

    with pytest.raises(HeadBusy, match=r"if it died, its right ends in (600|599) s"):
        retrain(gallery)


def test_only_retrain__a_dead_one_is_overruled_when_its_lease_is_past(gallery: VectorStore) -> None:
    """Nothing else frees it."""
    gallery.acquire_lease(NAME, holder="dead", seconds=0)

    assert retrain(gallery).version is not None


def test_only_retrain__outlives_its_client_on_a_server(fingerprint: Fingerprint) -> None:
    """On a server a lease stays when a client is gone: others cannot know whether it died."""
    server = MemoryEngine()
    with server.open(fingerprint) as store:
        store.acquire_lease(NAME, holder="somewhere", seconds=600)

    with server.open(fingerprint) as store, pytest.raises(HeadBusy, match="holder somewhere"):
        retrain(store)


def test_only_retrain__renews_by_itself(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a step takes, the lease is moved on meanwhile; not after the end."""
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.01)
    ends: list[float] = []
    thrice = threading.Event()

    def noted(name: str, *, holder: str, seconds: float) -> Lease:
        taken = type(gallery).acquire_lease(gallery, name, holder=holder, seconds=seconds)
        ends.append(taken.expires_at)
        if len(ends) > 3:
            thrice.set()
        return taken

    monkeypatch.setattr(gallery, "acquire_lease", noted)
    with only_retrain(gallery):
        assert thrice.wait(PATIENCE_S)
    renewals = len(ends)

    assert ends == sorted(ends)
    assert ends[-1] > time.time() + lease.LEASE_S - PATIENCE_S
    assert [t.name for t in threading.enumerate() if t.name == "lease"] == []
    assert type(gallery).acquire_lease(gallery, NAME, holder="next", seconds=1).holder == "next"
    assert len(ends) == renewals


def test_only_retrain__outlasts_a_store_that_is_away(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that fails is tried again at the next tick."""
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.01)
    failures = [StoreUnavailable("away")] * 3
    back = threading.Event()

    def away(name: str, *, holder: str, seconds: float) -> Lease:
        if failures and threading.current_thread().name == "lease":
            raise failures.pop()
        taken = type(gallery).acquire_lease(gallery, name, holder=holder, seconds=seconds)
        if not failures:
            back.set()
        return taken

    monkeypatch.setattr(gallery, "acquire_lease", away)
    with only_retrain(gallery) as held:
        assert back.wait(PATIENCE_S)
        held.check()


def test_retrain__ends_when_it_learns_that_another_took_over(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that stood still makes nothing active, and says who retrains now."""

    def tell(standing: Standing) -> None:
        if standing.step == Step.SPREADING:
            take_over(gallery)

    with pytest.raises(
        HeadBusy, match=r"took over \(holder process 7 on farm.*made no head active"
    ):
        retrain(gallery, tell=tell)
    assert gallery.heads() == []
    assert gallery.active_head() is None
    assert gallery.acquire_lease(NAME, holder="third", seconds=1).holder != "third"


def test_retrain__loses_its_lease_while_it_saves(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look is after the head is saved: it stays, and does not answer."""
    save_head: Callable[..., None] = gallery.save_head

    def slowly(head: object) -> None:
        save_head(head)
        take_over(gallery)

    monkeypatch.setattr(gallery, "save_head", slowly)
    with pytest.raises(HeadBusy, match="took over"):
        retrain(gallery)
    assert len(gallery.heads()) == 1
    assert gallery.active_head() is None


def test_retrain__another_one_ran_while_it_stood_still(
    gallery: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that was lost and is free again does not make the older run the newer one."""
    other: list[str | None] = []

    def tell(standing: Standing) -> None:
        if standing.step == Step.SPREADING and not other:
            other.append(None)
            held = gallery.acquire_lease(NAME, holder="nobody", seconds=1).holder
            gallery.release_lease(NAME, holder=held)
            other[0] = retrain(gallery).version

    with pytest.raises(HeadBusy, match=r"another one made head .* meanwhile"):
        retrain(gallery, tell=tell)
    active = registry.active(gallery)
    assert active is not None
    assert active.version == other[0]
