"""Heads, the retrain job, the gallery, the review queue and health."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from classify.answering.answers import Evidence, LabelScore
from classify.service.models.answers import EXAMPLES
from classify.service.models.common import Body, Group, Label, Model, example
from classify.service.models.history import ActionBody
from classify.service.models.references import MAX_PAGE
from holotype.heads import ActiveHead, HeadRecord
from holotype.history import Action
from holotype.outcomes import OnConflict

EXAMPLE_VERSION = "20261123-090000-1f3a"

_HEAD = {
    "version": EXAMPLE_VERSION,
    "created_at": "2026-11-23T09:00:00+00:00",
    "status": "ready",
    "active": True,
    "labels": ["hoverfly", "wasp"],
    "report": {},
}


class HeadModel(Model):
    """A head version and its report."""

    model_config = example(_HEAD)

    version: str
    created_at: str
    """ISO 8601, UTC."""
    status: str
    """`ready`, or `held`: trained but found worse than the active head."""
    active: bool
    labels: list[str]
    report: dict[str, Any]

    @classmethod
    def of(cls, record: HeadRecord, active: ActiveHead | None) -> HeadModel:
        """The JSON form of a head record."""
        return cls(
            version=record.version,
            created_at=record.created_at,
            status=record.status,
            active=active is not None and active.version == record.version,
            labels=list(record.labels),
            report=dict(record.report),
        )


class HeadList(Model):
    """Head versions, oldest first."""

    model_config = example({"active": EXAMPLE_VERSION, "history": [], "heads": [_HEAD]})

    active: str | None
    history: list[str]
    """Versions that were active before, the most recent last; rollback goes to the last one."""
    heads: list[HeadModel]


class ActiveModel(Model):
    """The version that answers now, and those that did before."""

    model_config = example(
        {"version": EXAMPLE_VERSION, "history": [], "action": "20261130-101500-9f3a1c"}
    )

    version: str
    history: list[str]
    action: str
    """Of the gallery's history: it can be undone."""

    @classmethod
    def of(cls, active: ActiveHead, action: Action) -> ActiveModel:
        """The JSON form of the pointer, and of what moved it."""
        return cls(version=active.version, history=list(active.history), action=action.id)


class RetrainBody(Body):
    """When to train at all."""

    model_config = example({"if_needed": True, "min_new": 20})

    if_needed: bool = False
    """Do nothing unless references changed since the active head."""
    min_new: Annotated[int, Field(ge=1)] = 1
    """With `if_needed`: how many references must have changed."""
    force: bool = False
    """Make the new head active even if it is worse."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Of the folds; the same references and seed give the same head."""


class RetrainState(Model):
    """The retrain job: the one that runs, or the last one."""

    model_config = example(
        {
            "state": "done",
            "step": None,
            "percent": None,
            "elapsed_s": None,
            "eta_s": None,
            "started_at": "2026-11-23T09:00:00+00:00",
            "finished_at": "2026-11-23T09:00:07+00:00",
            "result": {"version": EXAMPLE_VERSION},
            "error": None,
            "error_type": None,
        }
    )

    state: Literal["idle", "running", "done", "failed", "cancelled"]
    step: str | None
    """What it is doing, in words, while it runs."""
    percent: float | None
    """Of the whole that is done, while it runs; never less than before."""
    elapsed_s: float | None
    """Since it began, while it runs."""
    eta_s: float | None
    """Seconds that are left if the rest goes as what is done; null while it is too early to say."""
    started_at: str | None
    finished_at: str | None
    result: dict[str, Any] | None
    """As `retrain --json` prints it."""
    error: str | None
    """What happened and what to do, where it failed or was cancelled."""
    error_type: str | None
    """As in a problem."""


class GalleryModel(Model):
    """The gallery that this service answers from, and what one request may hold."""

    model_config = example(
        {
            "name": "default",
            "fingerprint": {"backbone": "vit_small_patch14_dinov2.lvd142m"},
            "fingerprint_id": "1f3a5c7e9b2d",
            "space": None,
            "references": 412,
            "classes": 12,
            "last_change": 1795424400000000,
            "filter_keys": ["group", "label", "meta.site", "source"],
            "head": EXAMPLE_VERSION,
            "max_images": 64,
            "max_body_bytes": 67108864,
            "max_vectors_bytes": 8388608,
            "keeps_queries": False,
            "originals": False,
        }
    )

    name: str
    fingerprint: dict[str, Any]
    fingerprint_id: str
    space: str | None
    """Its name, where vectors come from elsewhere; null for pictures, which the service embeds."""
    references: int
    classes: int
    last_change: int
    """Microseconds since the epoch, UTC; 0 for an empty gallery."""
    filter_keys: list[str]
    head: str | None
    """The active head's version."""
    max_images: int
    """In one request; as many vectors."""
    max_body_bytes: int
    """Of a request with images."""
    max_vectors_bytes: int
    """Of a request with vectors."""
    keeps_queries: bool
    """Whether queries in doubt are kept for review."""
    originals: bool
    """Whether the files of some references may be shown at full size."""


_REVIEW = {
    "id": "5f0a4c3e6d0b5b7e9f430d6a6f0c7a115f0a4c3e6d0b5b7e9f430d6a6f0c7a11",
    "query": "0031.jpg",
    "kept_at": "2026-11-23T09:00:00+00:00",
    "reason": "unknown",
    "answers": {"knn": [{"label": "wasp", "score": 0.51}]},
    "in_gallery": None,
}


class ReviewItem(Model):
    """A query in doubt."""

    model_config = example(_REVIEW)

    id: str
    """Hex sha256 of the file's bytes."""
    query: str
    """The file name as uploaded."""
    kept_at: str
    """ISO 8601, UTC."""
    reason: str
    """`unknown`, `unsure`, or `modes disagree`; `abstained` is what versions before kept."""
    answers: dict[str, list[LabelScore]]
    """What each mode said, best first."""
    in_gallery: str | None
    """The label under which this very picture is in the gallery: adding it needs a choice."""


_CANDIDATE = {"label": "wasp", "score": 0.51, "references": [EXAMPLES["Evidence"]]}


class Candidate(Model):
    """A class that a query in doubt may be of."""

    model_config = example(_CANDIDATE)

    label: str
    score: float
    """A probability where the list is calibrated, a share of the vote elsewhere."""
    references: tuple[Evidence, ...]
    """Its nearest, at most four, the query itself left out."""


class CandidateList(Model):
    """What a query in doubt may be, as the gallery is now."""

    model_config = example({"calibrated": True, "candidates": [_CANDIDATE]})

    calibrated: bool
    candidates: list[Candidate]
    """At most five, best first."""


class ReviewListing(Body):
    """Which page of the queries in doubt."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    after: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """`next_after` of the page before."""


class ReviewList(Model):
    """Queries in doubt, the newest first."""

    model_config = example(
        {"keeps_queries": True, "limit": 500, "total": 1, "items": [_REVIEW], "next_after": None}
    )

    keeps_queries: bool
    limit: int
    """How many are kept; the oldest is dropped first."""
    total: int
    """How many are kept now."""
    items: list[ReviewItem]
    next_after: int | None
    """Pass it as `after` for the next page; null at the end."""


class ReviewLabel(Body):
    """The label that a person gave to a kept query."""

    model_config = example({"label": "wasp"})

    label: Label
    group: Group | None = None
    on_conflict: OnConflict = OnConflict.ERROR
    """What to do with a picture that was added under another label meanwhile."""
    action: ActionBody | None = None
    """None: it is an action of its own."""


class ReviewLabels(ReviewLabel):
    """One label for several kept queries."""

    model_config = example({"ids": [_REVIEW["id"]], "label": "wasp"})

    ids: Annotated[list[str], Field(min_length=1, max_length=1000)]


class Health(Model):
    """Alive, or ready."""

    model_config = example({"status": "ok", "encoder": "ok", "store": "ok"})

    status: Literal["ok", "unavailable"]
    encoder: str | None = None
    store: str | None = None
