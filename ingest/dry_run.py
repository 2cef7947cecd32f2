"""A dry run: find, hash, ask and read every picture, and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from holotype.errors import BrokenImage
from holotype.intake import steps
from holotype.intake.incoming import Incoming
from holotype.outcomes import Outcome
from holotype.uploads import fits, too_large
from ingest.backend import Chunks
from ingest.flow import background

if TYPE_CHECKING:
    from holotype.access import AnyStore
    from holotype.client import ServiceLimits
    from holotype.images.recipe import Recipe


class DryBackend:
    """Answers, and refuses, as a real run would; embeds nothing, and needs no gallery.

    It remembers the id of every picture that a real run would have added: about 150 bytes
    each, the one place of this package that grows with the run.
    """

    def __init__(
        self,
        store: AnyStore | None,
        recipe: Callable[[], Recipe | None],
        *,
        workers: int,
        limits: ServiceLimits | None = None,
    ) -> None:
        """Ask a gallery.

        Args:
            store: None where it does not exist yet.
            recipe: called when the first new picture comes: how pictures are read, or what a
                real run would be refused for then; None where somebody else reads them.
            workers: decoding threads.
            limits: of the service that a real run would upload to.
        """
        self._store = store
        self._recipe = recipe
        self._workers = workers
        self._limits = limits
        self._would_have: dict[str, str] = {}

    def state(self) -> str | None:
        """See `Backend.state`: every picture is asked about."""
        return None

    def known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """See `Backend.known`; what this run would have changed counts as changed."""
        stored = self._store.existing(ids) if self._store is not None else {}
        return stored | {id_: self._would_have[id_] for id_ in ids if id_ in self._would_have}

    def add(self, chunks: Chunks) -> Chunks:
        """See `Backend.add`: verdicts are `would_add`, and those of what cannot be added."""
        return background(self._read(chunks), ahead=1, name="decode")

    def relabel(self, label: str, ids: Sequence[str]) -> None:
        """Only remember it."""
        self._would_have.update(dict.fromkeys(ids, label))

    def _read(self, chunks: Chunks) -> Chunks:
        with ThreadPoolExecutor(self._workers, "decode") as pool, closing(chunks):
            for chunk in chunks:
                new = [item for item in chunk if item.needs_work]
                recipe = self._recipe() if new else None
                list(pool.map(lambda item, how=recipe: self._try_to_read(item, how), new))
                for item in new:
                    if item.id and item.verdict and item.verdict.outcome is Outcome.WOULD_ADD:
                        self._would_have[item.id] = item.label
                yield chunk

    def _try_to_read(self, item: Incoming, recipe: Recipe | None) -> None:
        from holotype.images.decode import decode

        assert item.data is not None
        if self._limits is not None and not fits(item.data, self._limits):
            item.end(Outcome.FAILED, too_large(item.data, self._limits))
            return
        if recipe is None:
            try:
                # Every byte is gone through at any size; the smallest one is the quickest.
                item.note = decode(item.data, at_least=1).note
            except BrokenImage as error:
                item.end(Outcome.BROKEN, error.reason)
        else:
            steps.decode(item, recipe)
        if item.needs_work:
            item.end(Outcome.WOULD_ADD, item.note)
