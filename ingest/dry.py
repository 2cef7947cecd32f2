"""A dry run: find, hash, ask and read every picture, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from holotype.errors import BrokenImage
from holotype.intake.incoming import Incoming
from holotype.outcomes import Outcome
from ingest.backend import Chunks
from ingest.flow import background

if TYPE_CHECKING:
    from holotype.gallery import Gallery


class DryBackend:
    """Answers as a real run would. Needs no encoder, and no gallery.

    It remembers the id of every picture that a real run would have added: about 150 bytes
    each, the one place of this package that grows with the run.
    """

    def __init__(self, store: Gallery | None, *, workers: int, max_pixels: int) -> None:
        """Ask this store; None where the gallery does not exist yet."""
        self._max_pixels = max_pixels
        self._store = store
        self._workers = workers
        self._would_have: dict[str, str] = {}

    def state(self) -> str | None:
        """See `Backend.state`: every picture is asked about."""
        return None

    def known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """See `Backend.known`; what this run would have changed counts as changed."""
        stored = self._store.existing(ids) if self._store is not None else {}
        return stored | {id_: self._would_have[id_] for id_ in ids if id_ in self._would_have}

    def add(self, chunks: Chunks) -> Chunks:
        """See `Backend.add`: verdicts are `would_add` and `broken`."""
        return background(self._read(chunks), ahead=1, name="decode")

    def relabel(self, label: str, ids: Sequence[str]) -> None:
        """Only remember it."""
        self._would_have.update(dict.fromkeys(ids, label))

    def _read(self, chunks: Chunks) -> Chunks:
        with ThreadPoolExecutor(self._workers, "decode") as pool, closing(chunks):
            for chunk in chunks:
                list(pool.map(partial(_try_to_read, max_pixels=self._max_pixels), chunk))
                for item in chunk:
                    if item.id and item.verdict and item.verdict.outcome is Outcome.WOULD_ADD:
                        self._would_have[item.id] = item.label
                yield chunk


def _try_to_read(item: Incoming, max_pixels: int) -> None:
    from holotype.images.decode import decode

    if not item.needs_work:
        return
    assert item.data is not None
    try:
        # Every byte is gone through at any size; the smallest one is the quickest.
        decoded = decode(item.data, at_least=1, max_pixels=max_pixels)
    except BrokenImage as error:
        item.end(Outcome.BROKEN, error.reason)
    else:
        item.end(Outcome.WOULD_ADD, decoded.note)
