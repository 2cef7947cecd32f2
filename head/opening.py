"""What the retrain commands do to an open gallery: here, or through the service that owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from head.job import retrain
from head.versions import registry

if TYPE_CHECKING:
    from head.options import RetrainOptions, RetrainResult
    from head.steps import Tell
    from holotype.access import Access
    from holotype.heads import ActiveHead


def retrain_through(access: Access, options: RetrainOptions, *, tell: Tell) -> RetrainResult:
    """Train a head on the whole gallery and make it active; see `head.job.retrain`.

    Raises:
        GalleryMissing: there is no gallery yet.
        HeadBusy: another retrain is running on it.
        TooFewReferences: it holds fewer than two classes.
        HolotypeError: what ended the job of a service.
    """
    if access.service is None:
        return retrain(access.store, options, tell=tell)
    from head.remote import retrain_remotely

    return retrain_remotely(access.service, options, tell=tell)


def promote_through(access: Access, version: str) -> None:
    """Make a version active.

    Raises:
        UnknownHead: no such version.
    """
    if access.service is None:
        registry.promote(access.store, version)
    else:
        access.service.promote(version)


def rollback_through(access: Access) -> ActiveHead:
    """Go back to the version that was active before.

    Raises:
        HeadError: there is none.
    """
    if access.service is None:
        return registry.rollback(access.store)
    return access.service.rollback()
