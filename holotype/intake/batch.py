"""Adding a few pictures or vectors in one call: what a service does with an upload."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holotype.fingerprint import holds_vectors
from holotype.history import Action
from holotype.intake import steps
from holotype.intake.in_flight import InFlight
from holotype.intake.incoming import Incoming
from holotype.outcomes import FileOutcome, OnConflict

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.store.port import VectorStore


VECTORS_AT_A_TIME = 1024
"""Written in one call; in between, others may write."""


class Intake:
    """Adds labelled pictures and vectors to one store. Many threads may call it at once."""

    def __init__(self, store: VectorStore, encoder: Encoder | None) -> None:
        """Use this store and this encoder; their fingerprints are equal.

        None: the gallery holds vectors that come from elsewhere, so no picture is added to it.
        """
        self._store = store
        self._encoder = encoder
        self._writing = threading.Lock()

    def add(
        self,
        items: Sequence[Incoming],
        *,
        on_conflict: OnConflict = OnConflict.ERROR,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """Embed what is new, store it durably, and say what became of each.

        Args:
            items: with `data`; labels, groups and metadata in their one spelling
                (`holotype.intake.words`). They are used up.
            on_conflict: what to do with a picture that is present under another label.
            action: which it is part of; None: one of its own.

        Returns:
            One outcome an item, in the same order. A broken picture is an outcome, too.

        Raises:
            UsageError: the gallery holds vectors that come from elsewhere.
            StoreError: the store cannot be used; nothing that was not reported is lost.
        """
        encoder = self._encoder
        if encoder is None:
            raise holds_vectors(self._store.gallery, self._store.fingerprint)
        in_flight, action = InFlight(), action or Action.new("add")
        for item in items:
            steps.identify(item)
        steps.ask(items, self._store.existing, in_flight)
        for item in items:
            steps.decode(item, encoder.recipe)
        steps.embed(items, encoder)
        # Between looking what is there and writing, nobody else in this process may write.
        with self._writing:
            steps.write(items, self._store, action=action)
            return steps.settle(items, self._relabel(action), in_flight, on_conflict)

    def add_vectors(
        self,
        items: Sequence[Incoming],
        *,
        on_conflict: OnConflict = OnConflict.ERROR,
        action: Action | None = None,
    ) -> list[FileOutcome]:
        """Store what is new durably, and say what became of each.

        Args:
            items: from `holotype.intake.vectors.incoming_vectors`. They are used up.
            on_conflict: what to do with a reference that is present under another label.
            action: which it is part of; None: one of its own.

        Returns:
            One outcome an item, in the same order. A name that the gallery has for another vector
            is an outcome, too: a failure.

        Raises:
            StoreError: the store cannot be used; nothing that was not reported is lost.
        """
        outcomes: list[FileOutcome] = []
        action = action or Action.new("add")
        for start in range(0, len(items), VECTORS_AT_A_TIME):
            some, in_flight = items[start : start + VECTORS_AT_A_TIME], InFlight()
            with self._writing:
                steps.ask(some, self._store.existing, in_flight)
                steps.write(some, self._store, action=action)
                outcomes += steps.settle(some, self._relabel(action), in_flight, on_conflict)
        return outcomes

    def _relabel(self, action: Action) -> steps.Relabel:
        return lambda label, ids: self._store.relabel(label, ids=ids, action=action)
