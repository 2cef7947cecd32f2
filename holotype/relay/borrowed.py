"""The child's side: a store whose calls are answered by the parent.

It has what the retrain job takes of a `VectorStore`, and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import IO, Any

from holotype.errors import StoreUnavailable, by_name
from holotype.fingerprint import Fingerprint
from holotype.heads import ActiveHead, HeadRecord, Lease, StoredHead
from holotype.references import VectorBatch
from holotype.relay import codec
from holotype.relay.frames import Message, StreamEnded, receive, send
from holotype.store.port import GalleryState


class BorrowedStore:
    """The parent's store. Calls of several threads are taken one at a time."""

    def __init__(
        self, *, gallery: str, fingerprint: Fingerprint, calls: IO[bytes], answers: IO[bytes]
    ) -> None:
        """Speak over two streams."""
        self.gallery = gallery
        self.fingerprint = fingerprint
        self._calls = calls
        self._answers = answers
        self._guard = threading.Lock()

    def state(self) -> GalleryState:
        """See `VectorStore.state`."""
        return codec.state_from(self._ask("state"))

    def count(self, *, changed_after: int | None = None) -> int:
        """See `VectorStore.count`."""
        return int(self._ask("count", changed_after=changed_after))

    def counts(self) -> dict[str, int]:
        """See `VectorStore.counts`, of labels."""
        return dict(self._ask("counts"))

    def export(
        self, *, batch_size: int = 4096, changed_until: int | None = None
    ) -> Iterator[VectorBatch]:
        """See `VectorStore.export`."""
        self._ask("export", batch_size=batch_size, changed_until=changed_until)
        while True:
            message = self._call("next_batch")
            found = message.data["result"]
            if found is None:
                return
            yield VectorBatch(
                ids=found["ids"],
                labels=found["labels"],
                groups=found["groups"],
                vectors=message.matrices[0],
            )

    def heads(self) -> list[HeadRecord]:
        """See `VectorStore.heads`."""
        return [codec.record_from(record) for record in self._ask("heads")]

    def load_head(self, version: str) -> StoredHead:
        """See `VectorStore.load_head`."""
        message = self._call("load_head", version=version)
        found = message.data["result"]
        blocks = dict(zip(found["blocks"], message.matrices, strict=True))
        return StoredHead(record=codec.record_from(found["record"]), blocks=blocks)

    def save_head(self, head: StoredHead) -> None:
        """See `VectorStore.save_head`."""
        names = list(head.blocks)
        asked = {"record": codec.record_to(head.record), "blocks": names}
        self._speak(Message({"call": "save_head", **asked}, [head.blocks[n] for n in names]))

    def remove_head(self, version: str) -> None:
        """See `VectorStore.remove_head`."""
        self._ask("remove_head", version=version)

    def active_head(self) -> ActiveHead | None:
        """See `VectorStore.active_head`."""
        return codec.active_from(self._ask("active_head"))

    def set_active_head(self, active: ActiveHead) -> None:
        """See `VectorStore.set_active_head`."""
        self._ask("set_active_head", active=codec.active_to(active))

    def acquire_lease(self, name: str, *, holder: str, seconds: float) -> Lease:
        """See `VectorStore.acquire_lease`."""
        return Lease(**self._ask("acquire_lease", name=name, holder=holder, seconds=seconds))

    def release_lease(self, name: str, *, holder: str) -> None:
        """See `VectorStore.release_lease`."""
        self._ask("release_lease", name=name, holder=holder)

    # -- besides the port -----------------------------------------------------------

    def say(self, text: str) -> None:
        """Tell the parent what is being done."""
        self._ask("say", text=text)

    def _ask(self, call: str, **arguments: Any) -> Any:
        return self._call(call, **arguments).data["result"]

    def _call(self, call: str, **arguments: Any) -> Message:
        return self._speak(Message({"call": call, **arguments}))

    def _speak(self, message: Message) -> Message:
        try:
            with self._guard:
                send(self._calls, message)
                answer = receive(self._answers)
        except StreamEnded as error:
            raise StoreUnavailable("the process that owns the gallery is gone") from error
        if "error" in answer.data:
            raise by_name(answer.data["error"], answer.data["message"])
        return answer
