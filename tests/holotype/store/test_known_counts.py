"""Counts that are kept beside writes, and counted again while writes go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from holotype.store.known_counts import KnownCounts


class Engine:
    """Counts; `beside` happens while it does, before or after it looked."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def count(self) -> dict[str, int]:
        """What there is."""
        self.before()
        found = {label: n for label, n in self.counts.items() if n}
        self.after()
        return found

    def move(self, known: KnownCounts, *, old: list[str], new: list[str]) -> None:
        """A write, and its note."""
        with known.moving(old, new):
            for label in old:
                self.counts[label] -= 1
            for label in new:
                self.counts[label] = self.counts.get(label, 0) + 1


def test_read__counts_once() -> None:
    """After that it is moved; a class that lost its last reference is gone."""
    engine = Engine(bee=2)
    known = KnownCounts(engine.count)
    engine.before = lambda: pytest.fail("counted twice") if known.total else None
    assert known.read() == {"bee": 2}
    engine.move(known, old=["bee", "bee"], new=["ant"])
    assert known.read() == {"ant": 1}


@pytest.mark.parametrize("when", ["before", "after"])
def test_recount__beside_a_write(when: str) -> None:
    """Whether or not the count saw the write, it is counted once; others' classes are taken."""
    engine = Engine(bee=2)
    known = KnownCounts(engine.count)
    known.read()
    engine.counts["others"] = 5
    setattr(engine, when, lambda: engine.move(known, old=["bee"], new=["ant"]))
    assert known.recount() == {"bee": 1, "ant": 1, "others": 5}


def test_recount__while_a_write_is_under_way() -> None:
    """A write that the engine has done, and that is not noted yet, is not counted twice."""
    engine = Engine(bee=2)
    known = KnownCounts(engine.count)
    known.read()
    with known.moving([], ["bee"]):
        engine.counts["bee"] += 1
        known.recount()
    assert known.read() == {"bee": 3}


def test_first_count__beside_a_write() -> None:
    """A class that is being added is named, though the count was too early to see it."""
    engine = Engine(bee=2)
    known = KnownCounts(engine.count)
    engine.after = lambda: engine.move(known, old=[], new=["ant"])
    assert known.read() == {"ant": 1, "bee": 2}


def test_failed_write__is_counted() -> None:
    """What became of it is not known, so the engine is asked."""
    engine = Engine(bee=2)
    known = KnownCounts(engine.count)
    known.read()

    def half_a_write() -> None:
        with known.moving(["bee", "bee"], ["ant", "ant"]):
            engine.counts = {"bee": 1, "ant": 1}
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011  there is nothing more to it
        half_a_write()
    assert known.read() == {"ant": 1, "bee": 1}


class Gaps:
    """A lock, after each release of which another thread may have its turn: `then`."""

    def __init__(self) -> None:
        self.held = threading.Lock()
        self.then: Callable[[], object] = lambda: None

    def __enter__(self) -> None:
        self.held.acquire()

    def __exit__(self, *_: object) -> None:
        self.held.release()
        then, self.then = self.then, lambda: None
        then()


def test_recount__write_as_it_ends() -> None:
    """A write that comes when the engine has counted and before that is kept is not lost."""
    engine = Engine(moth=1)
    known = KnownCounts(engine.count)
    known.read()
    gaps = known._guard = Gaps()  # type: ignore[assignment]
    relabel = partial(engine.move, known, old=["moth"], new=["fly"])
    engine.after = lambda: setattr(gaps, "then", relabel)

    known.recount()

    assert known.read() == {"fly": 1}
