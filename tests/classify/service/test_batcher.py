"""The batcher: sizes, windows, keys, errors, cancelling, closing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, wait

import pytest

from classify.service.batcher import Batcher

PATIENCE_S = 10.0


class Doubling:
    """Work that doubles numbers, remembers its batches, and waits to be let through."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        if is_open:
            self.gate.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * item for item in items]


def test_submit__what_waits_together_is_one_batch() -> None:
    """Items that come while a batch is worked on form the next one, up to the size."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=3)
    first = batcher.submit(1)
    assert work.begun.acquire(timeout=PATIENCE_S)
    others = [batcher.submit(n) for n in range(2, 7)]
    assert batcher.queued == 5
    work.gate.set()
    batcher.close()
    assert [f.result() for f in [first, *others]] == [2, 4, 6, 8, 10, 12]
    assert work.batches == [[1], [2, 3, 4], [5, 6]]


def test_submit__window_gathers_a_full_batch_and_ends_early_when_full() -> None:
    """An idle worker waits for company, but no longer than until the batch is full."""
    work = Doubling()
    batcher: Batcher[int, int] = Batcher(work, name="t", size=2, window_s=PATIENCE_S * 100)
    futures = [batcher.submit(1), batcher.submit(2)]
    assert [f.result(PATIENCE_S) for f in futures] == [2, 4]
    batcher.close()
    assert work.batches == [[1, 2]]


def test_submit__window_ends() -> None:
    """One item alone is worked on once its window has passed."""
    batcher: Batcher[int, int] = Batcher(Doubling(), name="t", size=64, window_s=0.01)
    assert batcher.submit(4).result(PATIENCE_S) == 8
    batcher.close()


def test_submit__other_keys_are_other_batches_in_order() -> None:
    """Keys never mix, and the oldest item goes first."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=8)
    batcher.submit(0)
    assert work.begun.acquire(timeout=PATIENCE_S)
    for n, key in [(1, "a"), (2, "b"), (3, "a"), (4, "b")]:
        batcher.submit(n, key=key)
    work.gate.set()
    batcher.close()
    assert work.batches == [[0], [1, 3], [2, 4]]


def test_submit__an_error_reaches_its_batch_only() -> None:
    """Everybody in the batch gets the error; the next batch is worked on."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=2)
    first = batcher.submit(1)
    assert work.begun.acquire(timeout=PATIENCE_S)
    unlucky, beside = batcher.submit(13), batcher.submit(2)
    after = batcher.submit(3)
    work.gate.set()
    batcher.close()
    assert first.result() == 2
    for future in (unlucky, beside):
        with pytest.raises(ValueError, match="unlucky"):
            future.result()
    assert after.result() == 6


def test_cancel__costs_the_worker_nothing() -> None:
    """A cancelled item is never worked on and does not count as queued."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=8)
    batcher.submit(1)
    assert work.begun.acquire(timeout=PATIENCE_S)
    gone, stays = batcher.submit(2), batcher.submit(3)
    assert gone.cancel()
    assert batcher.queued == 1
    work.gate.set()
    batcher.close()
    assert stays.result() == 6
    assert work.batches == [[1], [3]]


def test_cancel__a_batch_that_is_all_cancelled_is_skipped() -> None:
    """The worker goes on to the next item."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=1)
    batcher.submit(1)
    assert work.begun.acquire(timeout=PATIENCE_S)
    assert batcher.submit(2).cancel()
    last = batcher.submit(3)
    work.gate.set()
    assert last.result(PATIENCE_S) == 6
    batcher.close()
    assert work.batches == [[1], [3]]


def test_close__finishes_and_refuses() -> None:
    """What was submitted is answered; nothing is taken any more; closing twice is fine."""
    work = Doubling()
    batcher: Batcher[int, int] = Batcher(work, name="t", size=4, window_s=PATIENCE_S * 100)
    futures = [batcher.submit(n) for n in range(3)]
    batcher.close()
    batcher.close()
    assert wait(futures, timeout=0).done == set(futures)
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(1)


def test_observe__is_told_of_every_batch() -> None:
    """Size and seconds, for the metrics."""
    seen: list[tuple[int, float]] = []
    batcher: Batcher[int, int] = Batcher(
        Doubling(), name="t", size=4, observe=lambda size, s: seen.append((size, s))
    )
    batcher.submit(1).result(PATIENCE_S)
    batcher.close()
    assert [size for size, _ in seen] == [1]
    assert seen[0][1] >= 0


def test_close__drops_what_has_not_begun() -> None:
    """Where nobody waits any more: what has begun ends, the rest is dropped."""
    work = Doubling(is_open=False)
    batcher: Batcher[int, int] = Batcher(work, name="t", size=1)
    first = batcher.submit(1)
    assert work.begun.acquire(timeout=PATIENCE_S)
    rest = [batcher.submit(n) for n in (2, 3)]
    closing = threading.Thread(target=batcher.close, kwargs={"drop": True})
    closing.start()
    for future in rest:
        with pytest.raises(CancelledError):
            future.result(PATIENCE_S)
    work.gate.set()
    closing.join()
    assert first.result() == 2
    assert work.batches == [[1]]
