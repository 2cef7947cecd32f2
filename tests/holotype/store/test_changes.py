"""The clock behind `changed_at`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from holotype.store import changes
from holotype.store.changes import ChangeClock


def test_next__clock_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times go up where the system clock stands still or is set back."""
    readings = iter([5_000_000, 5_000_000, 2_000_000, 9_000_000])
    monkeypatch.setattr(changes.time, "time_ns", lambda: next(readings))
    clock = ChangeClock()

    assert [clock.next() for _ in range(4)] == [5_000, 5_001, 5_002, 9_000]


def test_next__after_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gallery from a clock that was ahead still gets later times."""
    monkeypatch.setattr(changes.time, "time_ns", lambda: 5_000_000)

    assert ChangeClock(last=7_000).next() == 7_001


def test_next__threads_differ() -> None:
    """No two changes get the same time."""
    clock = ChangeClock()
    with ThreadPoolExecutor(4) as threads:
        times = list(threads.map(lambda _: clock.next(), range(2_000)))

    assert len(set(times)) == 2_000
