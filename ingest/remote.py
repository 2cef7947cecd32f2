"""Adding through a running service: pictures are uploaded, a few requests at a time.

Files are found, hashed and asked about here, so that what is known is never uploaded; the
service decodes, embeds and stores by the same rules (`holotype.intake`). No torch here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from holotype.client import Outgoing, ServiceClient
from holotype.history import Action
from holotype.intake import steps
from holotype.intake.incoming import Incoming
from holotype.outcomes import OnConflict, Outcome
from holotype.uploads import PARALLEL, fits, requests, too_large
from ingest.backend import Chunks
from ingest.flow import background


@dataclass(frozen=True, slots=True)
class _Upload:
    """A record with its bytes."""

    item: Incoming
    data: bytes

    def outgoing(self) -> Outgoing:
        item = self.item
        return Outgoing(item.source, self.data, item.label, item.group, item.meta)


class RemoteBackend:
    """Adds to the gallery of a service."""

    def __init__(self, client: ServiceClient) -> None:
        """Use this client; closing it is the caller's business."""
        self._client = client
        self._action = Action.new("add")

    def state(self) -> str | None:
        """See `Backend.state`: others use the service, too."""
        return None

    def known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """See `Backend.known`."""
        return self._client.existing(ids)

    def relabel(self, label: str, ids: Sequence[str]) -> None:
        """See `Backend.relabel`."""
        self._client.relabel(label, ids=ids, action=self._action)

    def add(self, chunks: Chunks) -> Chunks:
        """See `Backend.add`.

        Raises:
            ServiceError: the service refuses, or does not answer any more.
        """
        return background(self._upload(chunks), ahead=1, name="upload")

    def _upload(self, chunks: Chunks) -> Chunks:
        with ThreadPoolExecutor(PARALLEL, "upload") as pool, closing(chunks):
            waiting: deque[tuple[list[Incoming], list[Future[None]]]] = deque()
            for chunk in chunks:
                cut = requests(self._sendable(chunk), self._client.limits)
                sent = [pool.submit(self._send, uploads) for uploads in cut]
                waiting.append((chunk, sent))
                # One chunk is sent while the next is hashed.
                if len(waiting) > 1:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())

    def _sendable(self, chunk: Sequence[Incoming]) -> list[_Upload]:
        uploads: list[_Upload] = []
        for item in chunk:
            if not item.needs_work:
                continue
            assert item.data is not None
            if fits(item.data, self._client.limits):
                uploads.append(_Upload(item, item.data))
            else:
                item.end(Outcome.FAILED, too_large(item.data, self._client.limits))
        return uploads

    def _send(self, uploads: Sequence[_Upload]) -> None:
        outgoing = [upload.outgoing() for upload in uploads]
        # The run's own policy is applied where it settles: here, what is there stays.
        outcomes = self._client.add(outgoing, on_conflict=OnConflict.ERROR, action=self._action)
        present: list[Incoming] = []
        for upload, outcome in zip(uploads, outcomes, strict=True):
            if outcome.outcome in {Outcome.ALREADY_PRESENT, Outcome.LABEL_CONFLICT}:
                present.append(upload.item)
            else:
                upload.item.end(outcome.outcome, outcome.reason)
        self._pass_on(present)

    def _pass_on(self, present: Sequence[Incoming]) -> None:
        """What somebody else added since it was asked about is settled as known."""
        if not present:
            return
        labels = self._client.existing([item.id for item in present if item.id])
        for item in present:
            steps.pass_on(item, labels.get(item.id or "", item.label))


def _finished(chunk: list[Incoming], sent: Sequence[Future[None]]) -> list[Incoming]:
    for request in sent:
        request.result()
    return chunk
