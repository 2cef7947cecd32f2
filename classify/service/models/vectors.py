"""Vectors that come from elsewhere: queries and references without a picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import FailFast, Field

from classify.service.models.answers import QueryBody
from classify.service.models.common import EXAMPLE_SHA256, Body, Group, Label, example
from classify.service.models.history import ActionBody
from holotype.intake.words import MAX_LABEL
from holotype.outcomes import OnConflict

_VECTOR = [0.12, -0.5, 0.33]

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
# The first number that is none is named: a message for each would be as long as the request.
Vector = Annotated[list[Number], FailFast()]
"""As many numbers as the gallery's vectors have, of any length but 0."""


class ClassifyVectorsBody(QueryBody):  # type: ignore[misc, valid-type]
    """Vectors, and how to classify them."""

    model_config = example({"vectors": [_VECTOR], "k": 20})

    vectors: Annotated[list[Vector], Field(min_length=1), FailFast()]
    """One or many, made by whatever made the gallery's; brought to unit length here."""


class KeptModel(Body):
    """What an export says of a reference besides, so that it comes back as it was."""

    model_config = example(
        {
            "sha256": EXAMPLE_SHA256,
            "width": 1200,
            "height": 900,
            "added_at": "2026-11-23T09:00:00+00:00",
        }
    )

    sha256: Annotated[str, Field(max_length=64)]
    """Of the file's bytes, hexadecimal."""
    width: int
    height: int
    """Pixels; both 0 where there is no picture."""
    added_at: Annotated[str, Field(max_length=64)]
    """ISO 8601, UTC."""
    thumbnail: str | None = None
    """A small JPEG in base64."""
    dismissed: Annotated[str, Field(max_length=1000)] | None = None
    """The mark of evidence that was overruled."""


class VectorItem(Body):
    """A labelled vector."""

    model_config = example({"vector": _VECTOR, "label": "wasp", "group": "specimen-31"})

    id: Annotated[str, Field(min_length=1, max_length=MAX_LABEL)] | None = None
    """A name, or a UUID, which is then the reference's id; else the vector says which it is."""
    vector: Vector
    """Brought to unit length here."""
    label: Label
    group: Group | None = None
    source: Annotated[str, Field(max_length=4096)] | None = None
    """Where it came from, for people; its row in the request where it is left out."""
    meta: dict[str, str] = Field(default_factory=dict)
    kept: KeptModel | None = None
    """Of a reference that was exported (`/v1/export?whole=true`)."""


class AddVectorsBody(Body):
    """Labelled vectors."""

    model_config = example({"references": [{"vector": _VECTOR, "label": "wasp"}]})

    references: Annotated[list[VectorItem], Field(min_length=1), FailFast()]
    on_conflict: OnConflict = OnConflict.ERROR
    """What to do with a reference that is present under another label."""
    action: ActionBody | None = None
    """What it is part of; null: it is an action of its own."""
    space: Annotated[str, Field(max_length=1000)] | None = None
    """The space they are of, for the service to compare with the gallery's. In a gallery of
    pictures it must be given: the `fingerprint_id` of `/v1/gallery`."""
