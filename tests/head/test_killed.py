"""A retrain that is killed at a write, and the cron command after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from head import job
from head.commands import run_retrain
from head.job import retrain
from head.options import RetrainOptions, RetrainStatus
from head.versions import lease, registry
from head.versions.head import LINEAR
from holotype.errors import StoreError
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.head_payload import ROW, point_id
from holotype.store.port import VectorStore
from tests.head.conftest import SIZES, Clouds
from tests.head.killable import Killed, dying_at
from tests.holotype.store.engines import EmbeddedEngine
from tests.holotype.store.server_engines import MemoryEngine
from tests.references import Pictures

ROOT = Path(__file__).parents[2]
CRON = RetrainOptions(if_needed=True)

Open = Callable[[], VectorStore]


@pytest.fixture(params=["embedded", "server"])
def reopened(
    request: pytest.FixtureRequest,
    open_store: Callable[..., VectorStore],
    fingerprint: Fingerprint,
    monkeypatch: pytest.MonkeyPatch,
) -> Open:
    """Opens one gallery again and again, on either engine."""
    if request.param == "embedded":
        return open_store
    server = MemoryEngine()
    monkeypatch.setattr(lease, "LEASE_S", 0.0)  # a dead run's lease is past when cron comes
    return lambda: server.open(fingerprint)


def killed_at(n: int, opened: Open) -> bool:
    """A retrain that dies at its nth write; False where it made fewer."""
    store = opened()
    with dying_at(n) as deaths, suppress(Killed, StoreError):
        retrain(store)
    store.close()
    return deaths.seen >= n


def answers_for_all(store: VectorStore) -> bool:
    """Whether the head that answers was trained on what the gallery holds now."""
    head = registry.active(store)
    return head is not None and head.record.report["gallery"]["references"] == store.count()


def test_retrain__killed_at_any_write_is_made_good_by_cron(
    reopened: Open, clouds: Clouds, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write a kill came before, `retrain --if-needed` alone ends with an active head.

    The gallery grows before each kill, so that the head of the round before does not answer
    for it.
    """
    monkeypatch.setattr(job, "KEPT_VERSIONS", 1)
    monkeypatch.setattr(registry, "HISTORY", 1)
    kills = 0
    while True:
        with reopened() as store:
            store.add(clouds.references(SIZES, pictures, first=100 * kills))
        if not killed_at(kills + 1, reopened):
            break
        kills += 1
        with reopened() as store:
            retrain(store, CRON)
            assert answers_for_all(store), f"write {kills}"
            assert retrain(store, CRON).status is RetrainStatus.NOT_NEEDED
    assert kills >= 5  # rows, record, pointer, and what is tidied up


def test_retrain__first_one_killed_at_any_write_is_made_good_by_cron(
    open_store: Callable[..., VectorStore], clouds: Clouds, pictures: Pictures
) -> None:
    """The same where no head answered before: linear answers are there after cron."""
    kills = 0
    while True:
        opened = lambda n=kills: open_store(gallery=f"round-{n}")  # noqa: E731
        with opened() as store:
            store.add(clouds.references(SIZES, pictures))
        if not killed_at(kills + 1, opened):
            break
        kills += 1
        with opened() as store:
            retrain(store, CRON)
            assert answers_for_all(store), f"write {kills}"
    assert kills >= 3


@pytest.mark.parametrize("write", [2, 3])
def test_retrain__really_killed(
    open_store: Callable[..., VectorStore],
    clouds: Clouds,
    pictures: Pictures,
    write: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Kill -9 before a write, and the cron command at once after it, on the embedded gallery."""
    with open_store() as store:
        store.add(clouds.references(SIZES, pictures))
    killed = subprocess.run(
        [sys.executable, "-m", "tests.head.killable", str(write)],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    assert run_retrain(Settings.load(), CRON, as_json=False) == 0

    assert "answers from now on" in capsys.readouterr().out
    with open_store() as store:
        assert answers_for_all(store)


def test_if_needed__a_head_from_which_one_went_back_stays_away(
    reopened: Open, clouds: Clouds, pictures: Pictures
) -> None:
    """After a rollback or a promotion by hand, cron does not bring the newest head back."""
    with reopened() as store:
        store.add(clouds.references(SIZES, pictures))
        first, second = retrain(store).version, retrain(store).version
        assert first is not None
        assert second is not None
        assert registry.rollback(store).version == first
        assert retrain(store, CRON).status is RetrainStatus.NOT_NEEDED
        registry.promote(store, second)
        registry.promote(store, first)
        assert retrain(store, CRON).status is RetrainStatus.NOT_NEEDED


def test_if_needed__keeping_the_old_head_after_a_kill_is_a_decision(
    open_store: Callable[..., VectorStore], clouds: Clouds, pictures: Pictures
) -> None:
    """Promoting the head that answers says that the one a kill left behind is not wanted."""
    store = open_store()
    store.add(clouds.references(SIZES, pictures))
    first = retrain(store).version
    assert first is not None
    left_behind = store.load_head(first)
    record = replace(left_behind.record, version="99990101-000000-0000")
    store.save_head(replace(left_behind, record=record))
    registry.promote(store, first)

    assert retrain(store, CRON).status is RetrainStatus.NOT_NEEDED


def test_retrain__active_head_damaged(
    open_store: Callable[..., VectorStore], clouds: Clouds, pictures: Pictures, tmp_path: Path
) -> None:
    """Where the head that answered has lost a row, cron trains one instead of failing for ever."""
    store = open_store()
    store.add(clouds.references(SIZES, pictures))
    damaged = retrain(store).version
    assert damaged is not None
    EmbeddedEngine(tmp_path).lose_head_point(store, point_id(ROW, damaged, LINEAR, 0))

    assert retrain(store, CRON).status is RetrainStatus.ACTIVATED
    assert answers_for_all(store)
