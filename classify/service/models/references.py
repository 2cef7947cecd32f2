"""References and classes."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from classify.service.models.common import (
    EXAMPLE_ID,
    EXAMPLE_SHA256,
    Body,
    Group,
    Label,
    Model,
    ReferenceId,
    example,
)
from classify.service.models.history import ActionBody
from holotype.outcomes import OnConflict, Outcome
from holotype.references import Reference

MAX_PAGE = 1000
"""References on one page."""
MAX_IDS = 10_000
"""Ids in one request."""

_REFERENCE = {
    "id": EXAMPLE_ID,
    "label": "wasp",
    "sha256": EXAMPLE_SHA256,
    "source": "drawer-7/wasp/0031.jpg",
    "width": 1200,
    "height": 900,
    "added_at": "2026-11-23T09:00:00+00:00",
    "changed_at": 1795424400000000,
    "group": "specimen-31",
    "meta": {"site": "A"},
    "dismissed": None,
}
_OUTCOME = {
    "source": "drawer-7/wasp/0031.jpg",
    "outcome": "added",
    "label": "wasp",
    "id": EXAMPLE_ID,
    "reason": None,
}


class ReferenceModel(Model):
    """A labelled image in the gallery."""

    model_config = example(_REFERENCE)

    id: str
    label: str
    sha256: str
    """Of the file's bytes, hexadecimal."""
    source: str
    """Where the picture came from, for people."""
    width: int
    height: int
    added_at: str
    """ISO 8601, UTC."""
    changed_at: int
    """Microseconds since the epoch, UTC."""
    group: str | None
    """References of one group are not independent."""
    meta: dict[str, str]
    dismissed: str | None
    """The evidence against its label that a person has seen and overruled."""

    @classmethod
    def of(cls, reference: Reference) -> ReferenceModel:
        """The JSON form of a reference."""
        return cls(
            id=reference.id,
            label=reference.label,
            sha256=reference.sha256,
            source=reference.source,
            width=reference.width,
            height=reference.height,
            added_at=reference.added_at,
            changed_at=reference.changed_at,
            group=reference.group,
            meta=dict(reference.meta),
            dismissed=reference.dismissed,
        )


class Filter(Body):
    """Which references."""

    where: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    """`key=value` or `key!=value`, repeatable."""


class Listing(Filter):
    """Which references, and which page of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100
    after: ReferenceId | None = None
    """`next_after` of the page before."""


class Export(Filter):
    """Which references, and of when."""

    moment: bool = True
    """All of one moment: 503 where they come or go meanwhile. Else each as it is when it is read,
    where a gallery never stands still."""
    whole: bool = False
    """Also source, sha256, width, height, added_at, meta and thumbnail: all that a reference is."""


class ReferenceList(Model):
    """Those that were asked for, in that order, without those that are not there."""

    model_config = example({"references": [_REFERENCE]})

    references: list[ReferenceModel]


class ReferencePage(Model):
    """Some references in id order, and where to go on."""

    model_config = example({"references": [_REFERENCE], "next_after": None})

    references: list[ReferenceModel]
    next_after: str | None
    """Pass it as `after` for the next page; null at the end."""


class Item(Body):
    """What belongs to one uploaded image; what is left out comes from the form's own fields."""

    model_config = example(
        {"label": "wasp", "source": "drawer-7/wasp/0031.jpg", "meta": {"site": "A"}}
    )

    label: Label | None = None
    group: Group | None = None
    source: Annotated[str, Field(max_length=4096)] | None = None
    """For people; the file name where it is left out."""
    meta: dict[str, str] = Field(default_factory=dict)


class AddForm(BaseModel):
    """Labelled images. `label`, `group` and `set` hold for all, `items` for each."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    images: Annotated[list[UploadFile], Field(min_length=1)]
    label: Label | None = None
    group: Group | None = None
    set: list[str] = Field(default_factory=list)
    """`key=value`, repeatable: metadata of all images."""
    items: str | None = Field(
        default=None, examples=['[{"label": "wasp", "source": "drawer-7/wasp/0031.jpg"}]']
    )
    """A JSON list, one object per image: label, group, source, meta."""
    on_conflict: OnConflict = OnConflict.ERROR
    """What to do with a picture that is present under another label."""
    action: str | None = Field(
        default=None, examples=['{"id": "20261130-101500-9f3a1c", "kind": "add"}']
    )
    """JSON: what it is part of, where several requests are one action of the history."""


class OutcomeModel(Model):
    """What became of one image."""

    model_config = example(_OUTCOME)

    source: str
    outcome: Outcome
    label: str | None
    id: str | None
    reason: str | None
    """What happened and what to do, where it is not a plain success."""


class AddResponse(Model):
    """One outcome per image, in the order of the images."""

    model_config = example({"outcomes": [_OUTCOME]})

    outcomes: list[OutcomeModel]


class Known(Model):
    """Labels of those ids that are in the gallery; the others are left out."""

    model_config = example({"labels": {EXAMPLE_ID: "wasp"}})

    labels: dict[str, str]


Ids = Annotated[list[ReferenceId], Field(max_length=MAX_IDS)]


class IdsBody(Body):
    """Some references."""

    model_config = example({"ids": [EXAMPLE_ID]})

    ids: Ids


class NewLabel(Body):
    """A label to give."""

    model_config = example({"label": "hornet"})

    label: Label


class Changing(Body):
    """A change."""

    action: ActionBody | None = None
    """None: it is an action of its own."""


class Selection(Changing):
    """References by id, or all that match every condition; one of the two."""

    model_config = example({"where": ["label=wasp", "site=A"]})

    ids: Ids = Field(default_factory=list)
    where: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    """`key=value` or `key!=value`."""

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if bool(self.ids) == bool(self.where):
            raise ValueError("give either ids or where")
        return self


class Relabelling(Selection):
    """References, and the label to give them."""

    model_config = example({"where": ["label=wasp"], "label": "hornet"})

    label: Label


class Regrouping(Changing):
    """References, and the group to put them into."""

    model_config = example({"ids": [EXAMPLE_ID], "group": "specimen-31"})

    ids: Ids = Field(default_factory=list)
    group: Group | None
    """Null: they are independent of all others."""


class Dismissal(Changing):
    """What a person has seen against labels that stay as they are."""

    model_config = example({"marks": {EXAMPLE_ID: "hornet .91"}})

    marks: Annotated[
        dict[ReferenceId, Annotated[str, Field(min_length=1, max_length=1000)]],
        Field(max_length=MAX_IDS),
    ]
    """By id, a short text that stands for the evidence: with other evidence it is a suspect
    again."""


class ClassModel(Model):
    """A class: a label and the references that carry it."""

    model_config = example({"label": "wasp", "count": 31})

    label: str
    count: int


class ClassList(Model):
    """Classes, the largest first."""

    model_config = example({"classes": [{"label": "wasp", "count": 31}]})

    classes: list[ClassModel]


class ClassRenamed(Model):
    """What a rename did."""

    model_config = example({"label": "hornet", "changed": 31, "merged": False})

    label: str
    changed: int
    merged: bool
    """Whether references carried the new label before: the two classes are now one."""
