"""Classification: what is asked and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, cast, get_args

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from classify.answering.answers import Answer
from classify.answering.options import Option, QueryOptions, query_options
from classify.service.models.common import EXAMPLE_ID, Body, Model, Problem, example
from holotype.references import Where

_SCORE = {"label": "wasp", "score": 0.93}
_NEIGHBOUR = {
    "id": EXAMPLE_ID,
    "label": "wasp",
    "similarity": 0.87,
    "learned_similarity": 0.42,
    "weight": 0.11,
    "source": "drawer-7/wasp/0031.jpg",
    "group": "specimen-31",
    "meta": {"site": "A"},
}
_ANSWER = {
    "mode": "knn",
    "state": "answered",
    "metric": "learned",
    "label": "wasp",
    "score": 0.93,
    "calibrated": True,
    "why": None,
    "label_set": None,
    "novelty": {"score": 0.71, "stranger_than": 0.635},
    "parts": [],
    "disagrees": False,
    "runners_up": [{"label": "hoverfly", "score": 0.07}],
    "neighbours": [_NEIGHBOUR],
    "class_neighbours": [],
    "voted": 100,
    "head": "20260301-020000-3f2a",
    "known_as": None,
    "notices": [],
}
_RESULT = {"query": "0031.jpg", "answer": _ANSWER, "error": None, "thumbnail": None}


_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "by_http": "maximum",
}
"""As JSON schema has them."""


def _field(option: Option, *, as_json: bool) -> tuple[Any, FieldInfo]:
    """A field of a request: checked by the option itself, so that all doors say the same.

    Args:
        option: what can be asked.
        as_json: numbers come as numbers; else, in a form, as text.
    """
    default = {"default_factory": list} if option.default == [] else {"default": option.default}
    field: FieldInfo = Field(**default, description=option.help)
    number = next((t for t in (int, float) if t in (option.type, *get_args(option.type))), None)
    if number is None:
        strict = as_json and option.type is bool
        return (Annotated[bool, Field(strict=True)] if strict else option.type), field

    def check(value: float) -> float:
        complaint = option.complaint(value, by_http=True)
        if complaint:
            raise ValueError(complaint)
        return value

    bounds = option.bounds._asdict().items()
    schema = {_BOUNDS[name]: bound for name, bound in bounds if bound is not None}
    checked: Any = Annotated[
        cast("Any", number), AfterValidator(check), Field(strict=as_json, json_schema_extra=schema)
    ]
    return (checked if option.type is number else checked | None), field


def _fields(*, as_json: bool) -> dict[str, Any]:
    return {option.name: _field(option, as_json=as_json) for option in query_options()}


class _Asked(BaseModel):
    """The fields of `QueryOptions`, however they come."""

    def options(self) -> QueryOptions:
        """The same choices as the classifier takes them.

        Raises:
            UsageError: a filter cannot be read.
        """
        chosen = {option.name: getattr(self, option.name) for option in query_options()}
        return QueryOptions(**{**chosen, "where": Where.parse(chosen["where"])})


QueryBody = create_model("QueryBody", __base__=(_Asked, Body), **_fields(as_json=True))
"""How to classify what comes as JSON."""

_Form = create_model("_Form", __base__=_Asked, **_fields(as_json=False))


class ClassifyForm(_Form):  # type: ignore[misc, valid-type]
    """Images, and how to classify them."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    images: Annotated[list[UploadFile], Field(min_length=1)]
    """One or many."""
    thumbnails: bool = False
    """Also return a small JPEG of each image, for browsers that cannot show its format."""


EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "LabelScore": _SCORE,
    "Evidence": _NEIGHBOUR,
    "NoveltyScore": {"score": 0.71, "stranger_than": 0.635},
    "Part": {"mode": "linear", "scores": [_SCORE]},
    "Answer": _ANSWER,
}
"""Of the records of an answer, by their names in the document."""


class ResultModel(Model):
    """One query: its answer, or why there is none."""

    model_config = example(_RESULT)

    query: str
    """The file name as uploaded; of a vector, its row in the request."""
    answer: Answer | None
    error: Problem | None
    thumbnail: str | None
    """JPEG in base64, at most `HOLOTYPE_THUMBNAIL_PX` long; null where it was not asked for."""


class ClassifyResponse(Model):
    """One result per image or vector, in their order."""

    model_config = example({"results": [_RESULT]})

    results: list[ResultModel]
