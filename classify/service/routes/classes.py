"""`/v1/classes` and `/v1/gallery`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Path, Query

from classify.service.dependencies import READ, WRITE, KeyNameDep, ServiceDep, StoreDep
from classify.service.limits import VECTORS_BODY
from classify.service.models.common import Changed
from classify.service.models.heads import GalleryModel
from classify.service.models.history import action_of
from classify.service.models.references import ClassList, ClassModel, ClassRenamed, Filter, NewLabel
from classify.service.problems import responses
from holotype.characters import alike, difference
from holotype.errors import NotFound
from holotype.references import Where

# A label may hold a slash, so it is the rest of the path.
OldLabel = Annotated[str, Path(max_length=1000)]


def router() -> APIRouter:
    """The routes."""
    api = APIRouter(tags=["classes"])

    @api.get("/v1/gallery", summary="What this service answers from", dependencies=[READ])
    def gallery(service: ServiceDep) -> GalleryModel:
        """The embedding space, how much there is, and what one request may hold."""
        store, settings = service.store, service.settings
        state, active = store.state(), store.active_head()
        return GalleryModel(
            name=store.gallery,
            fingerprint=store.fingerprint.to_dict(),
            fingerprint_id=store.fingerprint.id,
            space=store.fingerprint.space,
            references=state.total,
            classes=len(state.counts),
            last_change=state.last_change,
            filter_keys=store.filter_keys(),
            head=None if active is None else active.version,
            max_images=settings.max_images,
            max_body_bytes=settings.max_body_mb << 20,
            max_vectors_bytes=min(settings.max_body_mb << 20, VECTORS_BODY),
            keeps_queries=bool(settings.keep_queries),
            originals=bool(service.originals.roots),
        )

    @api.get(
        "/v1/classes",
        summary="Classes and their sizes",
        dependencies=[READ],
        responses=responses(422),
    )
    def classes(store: StoreDep, asked: Annotated[Filter, Query()]) -> ClassList:
        """The largest first; `where` is `key=value` or `key!=value`, repeatable."""
        where = Where.parse(asked.where).among(store.known_counts())
        counts = store.counts(where=where)
        return ClassList(classes=[ClassModel(label=k, count=n) for k, n in counts.items()])

    @api.patch(
        "/v1/classes/{label:path}",
        summary="Rename a class, or merge it into another",
        dependencies=[WRITE],
        responses=responses(404, 422),
    )
    def rename(label: OldLabel, body: NewLabel, store: StoreDep, key: KeyNameDep) -> ClassRenamed:
        """A label that exists already takes the references in."""
        counts = store.counts()
        found = _found(label, counts)
        changed = store.relabel(
            body.label,
            where=Where.equal("label", *found),
            action=action_of("relabel", None, key),
        )
        return ClassRenamed(
            label=body.label,
            changed=changed,
            merged=len({*found, *alike(body.label, counts)}) > 1,
        )

    @api.delete(
        "/v1/classes/{label:path}",
        summary="Remove a class with all its references",
        dependencies=[WRITE],
        responses=responses(404, 422),
    )
    def remove(label: OldLabel, store: StoreDep, key: KeyNameDep) -> Changed:
        """The history brings them back, for as long as they are kept."""
        found = _found(label, store.counts())
        where = Where.equal("label", *found)
        return Changed(changed=store.remove(where=where, action=action_of("remove", None, key)))

    return api


def _found(label: str, counts: Collection[str]) -> list[str]:
    """The class of that label: one, or several that an earlier version spelled apart."""
    found = alike(label, counts)
    if not found:
        hints = "; ".join(filter(None, (difference(label, one) for one in counts)))
        raise NotFound(
            f"no reference has the label {label!r}: GET /v1/classes lists all"
            + (f" ({hints})" if hints else "")
        )
    return found
