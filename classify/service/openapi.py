"""The OpenAPI document, with its examples whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from classify.service.models.answers import EXAMPLES
from classify.service.models.common import Body, Model, Problem


def install(app: FastAPI) -> None:
    """Let the app describe itself with every example as its model has it.

    The framework drops nulls from the document, and with them the fields of an example that
    are null: such an example no longer fits its own schema.
    """
    describe = app.openapi

    def document() -> dict[str, Any]:
        described = describe()
        schemas = described.get("components", {}).get("schemas", {})
        models: list[type[BaseModel]] = [Problem, *_family(Model), *_family(Body)]
        for model in models:
            extra = model.model_config.get("json_schema_extra")
            if model.__name__ in schemas and isinstance(extra, dict):
                schemas[model.__name__] |= extra
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        return described

    app.openapi = document  # type: ignore[method-assign]  # the framework's documented way


def _family(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _family(model)
