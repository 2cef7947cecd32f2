"""What several parts of the API share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from holotype.errors import UsageError
from holotype.intake.words import MAX_LABEL, clean_group, clean_label

EXAMPLE_ID = "9a7e4f0b-6f1d-5b58-8d0e-0f2f4c1b7a33"
EXAMPLE_SHA256 = "5f0a4c3e6d0b5b7e9f430d6a6f0c7a115f0a4c3e6d0b5b7e9f430d6a6f0c7a11"


def _usable_label(text: str) -> str:
    try:
        return clean_label(text)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _usable_group(text: str) -> str:
    try:
        return clean_group(text)
    except UsageError as error:
        raise ValueError(str(error)) from error


Label = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_LABEL), AfterValidator(_usable_label)
]
"""A label, brought to its one spelling."""

Group = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_LABEL), AfterValidator(_usable_group)
]
"""A group's name, brought to its one spelling."""

ReferenceId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
]
"""UUIDv5 of the file's sha256 (`holotype.references.reference_id`)."""


class Model(BaseModel):
    """Base of what goes out. Clients must expect fields that they do not know."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Body(BaseModel):
    """Base of what comes in: a field that is not known is a mistake, and said."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """Configuration that adds an example."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it (`application/problem+json`)."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:holotype:problem:unknown-head",
                    "title": "Unknown head",
                    "status": 404,
                    "detail": "no head has version '20260101-000000-abcd'",
                }
            ]
        },
    )

    type: str
    """Names the kind of problem; stable."""
    title: str
    """The kind in words."""
    status: int
    """The HTTP status that it has, or would have outside a batch."""
    detail: str
    """What happened, to which item, what to do."""
    errors: list[dict[str, Any]] | None = Field(default=None)
    """Field by field, where the request itself is malformed."""


class Changed(Model):
    """How many references an operation changed."""

    model_config = example({"changed": 12})

    changed: int
