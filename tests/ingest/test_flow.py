"""Stages at the same time, within bounds, ended together."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing

import pytest

from ingest.flow import background, gathered


def numbers(count: int, log: list[object]) -> Generator[int, None, None]:
    """0, 1, 2, ...; says what it did, and in which thread it ended."""
    try:
        for n in range(count):
            log.append(n)
            yield n
    finally:
        log.append(threading.current_thread().name)


def test_background__gives_the_same_items_in_order() -> None:
    """Nothing is lost, doubled or reordered, and the source ends in its own thread."""
    log: list[object] = []
    assert list(background(numbers(50, log), ahead=3, name="stage")) == list(range(50))
    assert log[-1] == "stage_0"


def test_background__runs_ahead_by_no_more_than_it_may() -> None:
    """While nobody takes items, only `ahead` of them are made."""
    log: list[object] = []
    made = threading.Event()

    def source() -> Generator[int, None, None]:
        for n in numbers(50, log):
            if n == 3:
                made.set()
            yield n

    with closing(background(source(), ahead=3, name="stage")) as items:
        assert next(items) == 0
        assert made.wait(10)  # 1, 2 and 3 are ready now
        assert next(items) == 1
    assert max(n for n in log if isinstance(n, int)) <= 4


def test_background__raises_the_error_where_the_item_would_be() -> None:
    """What came before an error is still given."""

    def source() -> Generator[int, None, None]:
        yield 1
        raise ValueError("a bug")

    items = background(source(), ahead=2, name="stage")
    assert next(items) == 1
    with pytest.raises(ValueError, match="a bug"):
        next(items)


def test_background__closing_closes_the_whole_chain() -> None:
    """Closing the last stage ends every stage before it, and their threads."""
    log: list[object] = []
    before = threading.active_count()
    inner = background(numbers(1000, log), ahead=2, name="inner")
    outer = background(inner, ahead=2, name="outer")
    assert next(outer) == 0
    outer.close()
    assert log[-1] == "inner_0"
    assert threading.active_count() == before


def test_gathered__gives_all_that_is_ready_at_once() -> None:
    """A slow taker gets larger lists, up to its bound; a fast one does not wait for them."""
    ready = threading.Event()

    def source() -> Generator[int, None, None]:
        yield 0
        yield from (1, 2)
        ready.set()
        yield from (3, 4, 5, 6)

    lists = gathered(source(), at_most=lambda: 3, name="stage")
    first = next(lists)
    assert first[0] == 0
    assert ready.wait(10)
    rest = list(lists)
    assert [n for group in [first, *rest] for n in group] == [0, 1, 2, 3, 4, 5, 6]
    assert max(len(group) for group in rest) > 1
    assert max(len(group) for group in rest) <= 3
