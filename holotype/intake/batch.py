"""Adding a few pictures in one call: what a service does with an upload."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.store.port import VectorStore


class Intake:
    """Adds labelled pictures to one store. May be called from several threads at once."""

    def __init__(self, store: VectorStore, encoder: Encoder) -> None:
        """Use this store and this encoder; their fingerprints are equal."""
        self._store = store
        self._encoder = encoder
        self._writing = threading.Lock()

    def add(
        self, items: Sequence[Incoming], *, on_conflict: OnConflict = OnConflict.ERROR
    ) -> list[FileOutcome]:
        """Embed what is new, store it durably, and say what became of each.

        Args:
            items: with `data`; labels, groups and metadata in their one spelling
                (`holotype.intake.words`). They are used up.
            on_conflict: what to do with a picture that is present under another label.

        Returns:
            One outcome an item, in the same order. A broken picture is an outcome, too.

        Raises:
            StoreError: the store cannot be used; nothing that was not reported is lost.
        """
        in_flight = InFlight()
        for item in items:
            steps.identify(item)
        steps.ask(items, self._store.existing, in_flight)
        for item in items:
            steps.decode(item, self._encoder.recipe)
        steps.embed(items, self._encoder)
        # Between looking what is there and writing, nobody else in this process may write.
        with self._writing:
            steps.write(items, self._store)
            return steps.settle(items, self._relabel, in_flight, on_conflict)

    def _relabel(self, label: str, ids: Sequence[str]) -> None:
        self._store.relabel(label, ids=ids)
