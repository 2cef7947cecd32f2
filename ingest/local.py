"""Adding in this process: decode in threads, embed in batches, write and flush.

A batch is begun in one stage and its vectors are taken in the next, so that an accelerator has
the next batch before it has finished one. A processor has done all its work where it is begun.

Threads, not processes: Pillow and torch let go of the interpreter lock where the time
goes, and the embedded engine must not be inherited by a forked child.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from operator import attrgetter
from typing import TYPE_CHECKING

from holotype.errors import FingerprintMismatch
from holotype.history import Action
from holotype.intake import steps
from holotype.intake.incoming import Incoming
from ingest.backend import Chunks
from ingest.flow import background, gathered
from ingest.window import WriteWindow

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.store.port import VectorStore

_IS_NEW = attrgetter("is_new")
_PICTURE = attrgetter("picture")

_Begun = tuple[list[Incoming], steps.Embedding | None]
"""A batch, and its pictures under way where it has any."""

_MIXED = 256
"""Records in one batch where few of them are new, so that the others are reported soon."""


class LocalBackend:
    """One store and one encoder, which is loaded when the first new picture comes."""

    def __init__(
        self,
        store: VectorStore,
        load_encoder: Callable[[], Encoder],
        *,
        workers: int,
        owned: bool = False,
    ) -> None:
        """Use this store.

        Args:
            store: open; closing it is the caller's business.
            load_encoder: called at most once, and never where nothing is new.
            workers: decoding threads.
            owned: nobody else can change the gallery while the store is open.
        """
        self._store = store
        self._load_encoder = load_encoder
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()
        self._workers = workers
        self._owned = owned
        self._action = Action.new("add")

    def state(self) -> str | None:
        """See `Backend.state`."""
        if not self._owned:
            return None
        state = self._store.state()
        what = [self._store.fingerprint.id, state.last_change, sorted(state.counts.items())]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """See `Backend.known`."""
        return self._store.existing(ids)

    def relabel(self, label: str, ids: Sequence[str]) -> None:
        """See `Backend.relabel`."""
        self._store.relabel(label, ids=ids, action=self._action)

    def add(self, chunks: Chunks) -> Chunks:
        """See `Backend.add`.

        What was begun and is not durable yet, and so would be embedded again after a kill, is
        bounded by `ingest.window`.

        Raises:
            FingerprintMismatch: the encoder makes vectors of another space than the
                store's; nothing was embedded.
        """
        decoded = background(self._decode(chunks), ahead=1, name="decode")
        window = WriteWindow()
        batches = _batches(decoded, lambda: self.ready_encoder().batch_size)
        begun = gathered(self._begin(batches), at_most=window.batches, name="embed")
        return background(self._write(begun, window), ahead=1, name="write")

    def ready_encoder(self) -> Encoder:
        """The encoder, loaded at the first call.

        Raises:
            FingerprintMismatch: it makes vectors of another space than the store's.
            EncoderError: it cannot be loaded.
        """
        with self._loading:
            if self._encoder is None:
                encoder = self._load_encoder()
                if encoder.fingerprint != self._store.fingerprint:
                    raise FingerprintMismatch(
                        self._store.gallery, self._store.fingerprint, encoder.fingerprint
                    )
                self._encoder = encoder
            return self._encoder

    def _decode(self, chunks: Chunks) -> Chunks:
        with ThreadPoolExecutor(self._workers, "decode") as pool, closing(chunks):
            begun: deque[tuple[list[Incoming], list[Future[None]]]] = deque()
            for chunk in chunks:
                begun.append((chunk, self._begin_decoding(chunk, pool)))
                # An accelerator waits for decoders, so none of them may wait for the last
                # picture of a chunk: the next one is given to them before.
                while len(begun) > self._decodes_ahead():
                    yield _decoded(*begun.popleft())
            while begun:
                yield _decoded(*begun.popleft())

    def _begin_decoding(
        self, chunk: list[Incoming], pool: ThreadPoolExecutor
    ) -> list[Future[None]]:
        if not any(map(_IS_NEW, chunk)):
            return []
        recipe = self.ready_encoder().recipe
        return [pool.submit(steps.decode, item, recipe) for item in chunk]

    def _decodes_ahead(self) -> int:
        return 0 if self._encoder is None or self._encoder.device == "cpu" else 1

    def _begin(self, batches: Chunks) -> Generator[_Begun, None, None]:
        with closing(batches):
            for batch in batches:
                embedding = None
                if any(map(_PICTURE, batch)):
                    embedding = steps.begin_embedding(batch, self.ready_encoder())
                yield batch, embedding

    def _write(self, groups: Generator[list[_Begun], None, None], window: WriteWindow) -> Chunks:
        with closing(groups):
            for group in groups:
                items: list[Incoming] = []
                for batch, embedding in group:
                    if embedding is not None:
                        embedding.end()
                        window.encoded(self.ready_encoder().device, embedding.under_way.seconds)
                    items += batch
                if any(map(_IS_NEW, items)):
                    steps.write(items, self._store, action=self._action)
                yield items


def _decoded(chunk: list[Incoming], decoding: list[Future[None]]) -> list[Incoming]:
    for future in decoding:
        future.result()
    return chunk


def _batches(chunks: Chunks, size: Callable[[], int]) -> Chunks:
    """The same records, cut so that the encoder gets `size()` pictures at a time."""
    batch: list[Incoming] = []
    pictures = 0
    with closing(chunks):
        for chunk in chunks:
            if not batch and not any(map(_PICTURE, chunk)):
                yield chunk
                continue
            most = size()
            for item in chunk:
                batch.append(item)
                pictures += item.picture is not None
                if pictures >= most or len(batch) == most + _MIXED:
                    yield batch
                    batch, pictures = [], 0
    if batch:
        yield batch
