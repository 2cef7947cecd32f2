"""Adding in this process: decode in threads, embed in batches, write and flush.

Threads, not processes: Pillow and torch let go of the interpreter lock where the time
goes, and the embedded engine must not be inherited by a forked child.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from holotype.errors import FingerprintMismatch
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
        batch_size: int,
        owned: bool = False,
    ) -> None:
        """Use this store.

        Args:
            store: open; closing it is the caller's business.
            load_encoder: called at most once, and never where nothing is new.
            workers: decoding threads.
            batch_size: pictures per call of the encoder.
            owned: nobody else can change the gallery while the store is open.
        """
        self._store = store
        self._load_encoder = load_encoder
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()
        self._workers = workers
        self._batch_size = batch_size
        self._owned = owned

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
        self._store.relabel(label, ids=ids)

    def add(self, chunks: Chunks) -> Chunks:
        """See `Backend.add`.

        What was embedded and is not durable yet, and so would be embedded again after a kill,
        is bounded by `ingest.window`.

        Raises:
            FingerprintMismatch: the encoder makes vectors of another space than the
                store's; nothing was embedded.
        """
        decoded = background(self._decode(chunks), ahead=1, name="decode")
        window = WriteWindow()
        embedded = self._embed(_batches(decoded, self._batch_size), window)
        batches = gathered(embedded, at_most=window.batches, name="embed")
        return background(self._write(batches), ahead=1, name="write")

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
            for chunk in chunks:
                if any(map(_IS_NEW, chunk)):
                    decode = partial(steps.decode, recipe=self.ready_encoder().recipe)
                    list(pool.map(decode, chunk))
                yield chunk

    def _embed(self, batches: Chunks, window: WriteWindow) -> Chunks:
        with closing(batches):
            for batch in batches:
                if any(map(_PICTURE, batch)):
                    encoder = self.ready_encoder()
                    started = time.monotonic()
                    steps.embed(batch, encoder)
                    window.encoded(encoder.device, time.monotonic() - started)
                yield batch

    def _write(self, groups: Generator[list[list[Incoming]], None, None]) -> Chunks:
        with closing(groups):
            for group in groups:
                items = list(chain.from_iterable(group))
                if any(map(_IS_NEW, items)):
                    steps.write(items, self._store)
                yield items


def _batches(chunks: Chunks, size: int) -> Chunks:
    """The same records, cut so that the encoder gets `size` pictures at a time."""
    batch: list[Incoming] = []
    pictures = 0
    with closing(chunks):
        for chunk in chunks:
            if not batch and not any(map(_PICTURE, chunk)):
                yield chunk
                continue
            for item in chunk:
                batch.append(item)
                pictures += item.picture is not None
                if pictures == size or len(batch) == size + _MIXED:
                    yield batch
                    batch, pictures = [], 0
    if batch:
        yield batch
