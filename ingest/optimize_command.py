"""What `ingest optimize` does once its options are read: check, build, print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from holotype import console
from holotype.errors import StoreLocked, UsageError
from holotype.store.lock import read_owner
from holotype.store.optimize import optimize

if TYPE_CHECKING:
    from holotype.settings import Settings


def run_optimize(settings: Settings, *, as_json: bool) -> None:
    """`ingest optimize`.

    Raises:
        UsageError: the gallery is not an embedded one.
        StoreLocked: somebody has it open.
        StoreError: it is missing, or the engine failed.
    """
    if settings.qdrant_url is not None:
        raise UsageError(
            "a Qdrant server builds its search index by itself: this command is for the "
            "embedded store, so leave out --qdrant-url (HOLOTYPE_QDRANT_URL)"
        )
    owner = read_owner(settings.home, settings.gallery)
    if settings.server is not None or (owner is not None and owner.url is not None):
        where = settings.server or (owner.url if owner else None)
        raise StoreLocked(
            f"gallery {settings.gallery!r} is owned by the service at {where}: stop it first, "
            "since building the index takes the whole store, for minutes",
            owner=owner,
        )
    console.say("building the search index: this takes minutes where there are 100,000 references")
    report = optimize(settings.home, settings.gallery)
    if as_json:
        console.out_json(asdict(report))
    console.say(
        f"{report.indexed} of {report.references} references are indexed ({report.seconds:.0f} s)"
    )
