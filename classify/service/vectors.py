"""JSON bodies with vectors as records, every row of them checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError

from classify.service.classification import SearchRequest
from classify.service.problems import OtherSpace, TooManyVectors
from classify.service.uploads import bound_keys
from holotype.characters import uniform
from holotype.errors import UsageError
from holotype.intake.kept import Kept
from holotype.intake.vectors import (
    checked_vectors,
    incoming_vectors,
    vector_ids,
    vector_record,
)
from holotype.references import Vectors

if TYPE_CHECKING:
    from classify.service.models.vectors import AddVectorsBody, ClassifyVectorsBody
    from holotype.fingerprint import Fingerprint
    from holotype.intake.incoming import Incoming
    from holotype.settings import Settings
    from holotype.store.port import VectorStore

_Problems = dict[tuple[str | int, ...], str]
"""What is wrong, by its place in the body."""


def read_queries(
    body: ClassifyVectorsBody, space: Fingerprint, settings: Settings
) -> SearchRequest:
    """Queries of a gallery's space.

    Raises:
        TooManyVectors: one request holds more than it may.
        RequestValidationError: names every row that is no vector of this gallery.
        UsageError: a filter cannot be read.
    """
    options = body.options()
    vectors = _checked(body.vectors, ("vectors",), (), space, settings)
    return SearchRequest(vectors, tuple(vector_ids(vectors, space)), options)


def read_references(body: AddVectorsBody, store: VectorStore, settings: Settings) -> list[Incoming]:
    """Labelled vectors on their way into a gallery.

    Raises:
        OtherSpace: they may not be of its space.
        TooManyVectors, RequestValidationError: as for `read_queries`.
        TooManyKeys: there are more metadata keys than a gallery may have.
    """
    space = store.fingerprint
    if not _is_of(space, body.space):
        raise OtherSpace(store.gallery, space, body.space)
    rows = [item.vector for item in body.references]
    vectors = _checked(rows, ("references",), ("vector",), space, settings)
    records, problems = [], _Problems()
    for row, (item, vector) in enumerate(zip(body.references, vectors, strict=True)):
        source = item.source or f"row {row}"
        try:
            records.append(
                vector_record(
                    vector,
                    item.label,
                    source=source,
                    id=item.id,
                    group=item.group,
                    meta=item.meta,
                    kept=None if item.kept is None else Kept.from_json(item.kept.model_dump()),
                )
            )
        except UsageError as error:
            problems["references", row] = str(error)
    _refuse(problems)
    bound_keys([record.meta for record in records], settings.max_meta_keys)
    return incoming_vectors(records, space)


def _is_of(space: Fingerprint, named: str | None) -> bool:
    """Whether vectors that were sent under this name may be of that space.

    Who sends to a gallery of pictures without a word may mean another one.
    """
    if named is None:
        return space.space is not None
    return uniform(named) == (space.space or space.id)


def _checked(
    rows: Sequence[Sequence[float]],
    before: tuple[str, ...],
    after: tuple[str, ...],
    space: Fingerprint,
    settings: Settings,
) -> Vectors:
    if len(rows) > settings.max_images:
        raise TooManyVectors(settings.max_images)
    vectors, problems = checked_vectors(rows, space.dimension)
    _refuse({(*before, row, *after): f"it {said}" for row, said in problems.items()})
    return vectors


def _refuse(problems: _Problems) -> None:
    if problems:
        raise RequestValidationError(
            [
                {
                    "type": "value_error",
                    "loc": ("body", *at),
                    "msg": said,
                    "ctx": {"error": said},
                }
                for at, said in problems.items()
            ]
        )
