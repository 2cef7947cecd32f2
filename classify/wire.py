"""Options on their way to a service, as a form."""

from __future__ import annotations

from dataclasses import fields

from classify.answering.options import QueryOptions
from holotype.references import Where


def to_form(options: QueryOptions) -> dict[str, str | list[str]]:
    """The fields of `POST /v1/classify`; what is None is left out."""
    form: dict[str, str | list[str]] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, Where):
            form[field.name] = value.expressions()
        elif isinstance(value, bool):
            form[field.name] = str(value).lower()
        elif value is not None:
            form[field.name] = str(value)
    return form
