"""A store lent over a pipe: the same answers, the same errors, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from typing import IO, Any

import numpy as np
import pytest

from holotype.errors import StoreError, TooFewReferences, UnknownHead
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.relay.borrowed import BorrowedStore
from holotype.relay.frames import Message, StreamEnded, receive, send
from holotype.relay.lender import Lender
from holotype.store.port import VectorStore
from tests.references import Pictures

PATIENCE_S = 20.0


class Loan:
    """A lender in a thread, and the borrowed store on this side."""

    def __init__(self, store: VectorStore) -> None:
        self.said: list[str] = []
        self.outcome: Mapping[str, Any] | Exception | None = None
        calls_out, self.calls = _pipe()
        answers, self._answers_in = _pipe()
        self._files = (self.calls, calls_out, answers, self._answers_in)
        self._lender = Lender(store, say=self.said.append)
        self._thread = threading.Thread(target=self._serve, args=(calls_out,), daemon=True)
        self._thread.start()
        self.store = BorrowedStore(
            gallery=store.gallery, fingerprint=store.fingerprint, calls=self.calls, answers=answers
        )

    def end(self, message: Message | None = None) -> Mapping[str, Any] | Exception | None:
        """Say `message`, hang up, and return what the lender made of it."""
        if message is not None:
            send(self.calls, message)
        self.calls.close()
        self._thread.join(PATIENCE_S)
        return self.outcome

    def close(self) -> None:
        """End the loan and close its pipes."""
        self.end()
        for file in self._files:
            file.close()

    def _serve(self, calls: IO[bytes]) -> None:
        try:
            self.outcome = self._lender.serve(calls, self._answers_in)
        except (StoreError, TooFewReferences) as error:
            self.outcome = error


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    read, write = os.pipe()
    return os.fdopen(read, "rb"), os.fdopen(write, "wb")


@pytest.fixture
def lend(store: VectorStore) -> Iterator[Callable[[], Loan]]:
    """Lends `store`."""
    with ExitStack() as loans:
        yield lambda: loans.enter_context(closing(Loan(store)))


def head_of(store: VectorStore, version: str) -> StoredHead:
    """A head of two labels with easily told numbers."""
    columns = store.fingerprint.dimension + 1
    rows = np.arange(2 * columns, dtype=np.float32).reshape(2, columns)
    record = HeadRecord(
        version=version,
        created_at="2026-01-01T00:00:00+00:00",
        status="ready",
        labels=("é", "b"),
        report={"parameters": {"temperature": 0.5}, "nested": [1, None]},
    )
    return StoredHead(record=record, blocks={"linear": rows, "metric": rows[:1] / 3})


def test_frames__whole_and_exact() -> None:
    """JSON and float32 numbers come out as they went in, bit by bit."""
    out, into = _pipe()
    numbers = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    writer = threading.Thread(
        target=send, args=(into, Message({"a": "é", "n": None}, [numbers, numbers[:0]]))
    )
    writer.start()
    message = receive(out)
    writer.join()
    assert message.data == {"a": "é", "n": None}
    assert np.array_equal(message.matrices[0], numbers)
    assert message.matrices[1].shape == (0, 5)
    into.close()
    with out, pytest.raises(StreamEnded):
        receive(out)


def test_export__the_same_vectors(
    store: VectorStore, pictures: Pictures, lend: Callable[[], Loan]
) -> None:
    """Every batch, with labels and groups, exactly as the store has it."""
    store.add(
        [pictures.embedded(f"p{n}", "ab"[n % 2], group=[None, "g", "h"][n % 3]) for n in range(25)]
    )
    loan = lend()
    borrowed, own = list(loan.store.export(batch_size=10)), list(store.export(batch_size=10))
    assert [len(batch) for batch in borrowed] == [len(batch) for batch in own]
    for here, there in zip(borrowed, own, strict=True):
        assert (here.ids, here.labels, here.groups) == (there.ids, there.labels, there.groups)
        assert np.array_equal(here.vectors, there.vectors)
    assert loan.store.state() == store.state()
    assert loan.store.counts() == store.counts()
    assert loan.store.count(changed_after=store.state().last_change) == 0


def test_export__left_early(
    store: VectorStore, pictures: Pictures, lend: Callable[[], Loan]
) -> None:
    """Who stops in the middle of an export can go on with other calls."""
    store.add(pictures.many("a", 30))
    loan = lend()
    first = next(iter(loan.store.export(batch_size=10)))
    assert len(first) == 10
    assert loan.store.count() == 30
    assert sum(len(batch) for batch in loan.store.export(batch_size=7)) == 30


def test_heads__saved_loaded_and_made_active(store: VectorStore, lend: Callable[[], Loan]) -> None:
    """A head that the child saves is the parent's, number by number, and the other way round."""
    loan = lend()
    head = head_of(store, "20260101-000000-0001")
    loan.store.save_head(head)
    stored = store.load_head(head.record.version)
    assert stored.record.labels == head.record.labels
    assert stored.record.report == head.record.report
    for name, block in head.blocks.items():
        assert np.array_equal(stored.blocks[name], block)
        assert np.array_equal(loan.store.load_head(head.record.version).blocks[name], block)
    assert loan.store.active_head() is None
    loan.store.set_active_head(ActiveHead(head.record.version, ("older",)))
    assert store.active_head() == loan.store.active_head()
    assert [record.version for record in loan.store.heads()] == [head.record.version]
    other = head_of(store, "20260101-000000-0002")
    store.save_head(other)
    loan.store.remove_head(other.record.version)
    assert [record.version for record in store.heads()] == [head.record.version]


def test_errors__the_same_class_and_message(lend: Callable[[], Loan]) -> None:
    """What the store raises there is raised here, and the loan goes on."""
    loan = lend()
    with pytest.raises(UnknownHead, match="no head has version 'nope'"):
        loan.store.load_head("nope")
    assert loan.store.heads() == []


def test_serve__ends_with_the_child_s_word(lend: Callable[[], Loan]) -> None:
    """A result is returned, a failure raised; both after what was said on the way."""
    loan = lend()
    loan.store.say("halfway")
    assert loan.end(Message({"done": {"version": "v"}})) == {"version": "v"}
    assert loan.said == ["halfway"]
    failed = lend().end(Message({"failed": "TooFewReferences", "message": "one class only"}))
    assert isinstance(failed, TooFewReferences)
    assert str(failed) == "one class only"


def test_serve__a_child_that_dies_leaves_no_lease(
    store: VectorStore, lend: Callable[[], Loan]
) -> None:
    """Its leases are given back at once, and the end is an error that says so."""
    loan = lend()
    assert loan.store.acquire_lease("retrain", holder="child", seconds=600).holder == "child"
    other = loan.store.acquire_lease("other", holder="child", seconds=600)
    loan.store.release_lease("other", holder=other.holder)
    ended = loan.end()
    assert isinstance(ended, StoreError)
    assert "ended before it was done" in str(ended)
    assert store.acquire_lease("retrain", holder="next", seconds=1).holder == "next"


def test_serve__a_child_that_is_gone_before_it_is_told_anything(store: VectorStore) -> None:
    """That is the same error, not a broken pipe."""
    calls, said = _pipe()
    told, answers = _pipe()
    said.close()
    told.close()
    with pytest.raises(StoreError, match="ended before it was done"):
        Lender(store, say=print).serve(calls, answers, start=Message({"a": 1}))
    calls.close()
    with contextlib.suppress(BrokenPipeError):
        answers.close()


def test_serve__a_lease_that_somebody_else_holds_stays(
    store: VectorStore, lend: Callable[[], Loan]
) -> None:
    """What the child asked for and did not get is not given back in its name."""
    store.acquire_lease("retrain", holder="elsewhere", seconds=600)
    loan = lend()
    assert loan.store.acquire_lease("retrain", holder="child", seconds=1).holder == "elsewhere"
    loan.end()
    assert store.acquire_lease("retrain", holder="next", seconds=1).holder == "elsewhere"
