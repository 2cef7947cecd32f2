"""The parent's side: answer the calls of a child that borrows a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from holotype.errors import HolotypeError, StoreError, by_name
from holotype.heads import StoredHead
from holotype.references import VectorBatch
from holotype.relay import codec
from holotype.relay.frames import Message, StreamEnded, receive, send

if TYPE_CHECKING:
    from holotype.store.port import VectorStore

Answer = Callable[[Message], Message]


class Lender:
    """Answers one child, call by call, until it says what came of its work."""

    def __init__(self, store: VectorStore, *, say: Callable[[str], None]) -> None:
        self._store = store
        self._say = say
        self._batches: Iterator[VectorBatch] = iter(())
        self._leases: dict[str, str] = {}
        self._calls: Mapping[str, Answer] = {
            "state": lambda _: _result(codec.state_to(store.state())),
            "count": lambda m: _result(store.count(changed_after=m.data["changed_after"])),
            "counts": lambda _: _result(store.counts()),
            "export": self._export,
            "next_batch": self._next_batch,
            "heads": lambda _: _result([codec.record_to(r) for r in store.heads()]),
            "load_head": self._load_head,
            "save_head": self._save_head,
            "remove_head": self._remove_head,
            "active_head": lambda _: _result(codec.active_to(store.active_head())),
            "set_active_head": self._set_active_head,
            "acquire_lease": self._acquire_lease,
            "release_lease": self._release_lease,
            "say": self._told,
        }

    def serve(
        self, calls: IO[bytes], answers: IO[bytes], *, start: Message | None = None
    ) -> Mapping[str, Any]:
        """Answer until the child reports, and return its report.

        Leases that the child leaves behind are given back.

        Args:
            calls: what the child says.
            answers: what it is told.
            start: told first, before it asks for anything.

        Raises:
            HolotypeError: what ended the child's work.
        """
        try:
            if start is not None:
                send(answers, start)
            while True:
                message = receive(calls)
                if "done" in message.data:
                    done: Mapping[str, Any] = message.data["done"]
                    return done
                if "failed" in message.data:
                    raise by_name(message.data["failed"], message.data["message"])
                send(answers, self._answer(message))
        except StreamEnded:
            raise StoreError(
                "the process that worked on the store ended before it was done"
            ) from None
        finally:
            for name, holder in self._leases.items():
                self._store.release_lease(name, holder=holder)

    def _answer(self, message: Message) -> Message:
        try:
            return self._calls[message.data["call"]](message)
        except HolotypeError as error:
            return Message({"error": type(error).__name__, "message": str(error)})

    def _export(self, message: Message) -> Message:
        self._batches = self._store.export(
            batch_size=message.data["batch_size"], changed_until=message.data["changed_until"]
        )
        return _result(None)

    def _next_batch(self, _message: Message) -> Message:
        batch = next(self._batches, None)
        if batch is None:
            return _result(None)
        rows = {"ids": batch.ids, "labels": batch.labels, "groups": batch.groups}
        return Message({"result": rows}, [batch.vectors])

    def _load_head(self, message: Message) -> Message:
        head = self._store.load_head(message.data["version"])
        names = list(head.blocks)
        found = {"record": codec.record_to(head.record), "blocks": names}
        return Message({"result": found}, [head.blocks[name] for name in names])

    def _save_head(self, message: Message) -> Message:
        blocks = dict(zip(message.data["blocks"], message.matrices, strict=True))
        record = codec.record_from(message.data["record"])
        self._store.save_head(StoredHead(record=record, blocks=blocks))
        return _result(None)

    def _remove_head(self, message: Message) -> Message:
        self._store.remove_head(message.data["version"])
        return _result(None)

    def _set_active_head(self, message: Message) -> Message:
        active = codec.active_from(message.data["active"])
        assert active is not None
        self._store.set_active_head(active)
        return _result(None)

    def _acquire_lease(self, message: Message) -> Message:
        name, holder = message.data["name"], message.data["holder"]
        lease = self._store.acquire_lease(name, holder=holder, seconds=message.data["seconds"])
        if lease.holder == holder:
            self._leases[name] = holder
        held = {"name": lease.name, "holder": lease.holder, "expires_at": lease.expires_at}
        return _result(held)

    def _release_lease(self, message: Message) -> Message:
        name, holder = message.data["name"], message.data["holder"]
        self._store.release_lease(name, holder=holder)
        self._leases.pop(name, None)
        return _result(None)

    def _told(self, message: Message) -> Message:
        self._say(message.data["text"])
        return _result(None)


def _result(value: Any) -> Message:
    return Message({"result": value})
