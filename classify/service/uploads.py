"""Multipart forms as records: one upload, one record, nothing that can slip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fastapi import UploadFile
from pydantic import TypeAdapter, ValidationError

from classify.service.classification import Upload
from classify.service.models.history import ActionBody
from classify.service.models.references import AddForm, Item
from classify.service.problems import TooManyKeys
from holotype.errors import UsageError
from holotype.intake.incoming import Incoming
from holotype.intake.words import clean_meta

UNNAMED = "(unnamed)"
"""The source of a file that came without a name."""

_ITEMS = TypeAdapter(list[Item])


async def read_uploads(files: Sequence[UploadFile]) -> list[Upload]:
    """The bytes of every file; bodies are bounded before they get here."""
    return [Upload(file.filename or UNNAMED, await file.read()) for file in files]


async def read_incoming(form: AddForm, *, max_meta_keys: int) -> list[Incoming]:
    """What the form asks to add, one record per image.

    Raises:
        UsageError: an image has no label, or `items` or `set` cannot be read.
        TooManyKeys: there are more metadata keys than a gallery may have.
    """
    shared = clean_meta(dict(_assignment(text) for text in form.set))
    uploads = await read_uploads(form.images)
    incoming = [
        _incoming(upload, item, form, shared)
        for upload, item in zip(uploads, _items(form, len(uploads)), strict=True)
    ]
    bound_keys([item.meta for item in incoming], max_meta_keys)
    return incoming


def read_action(text: str | None) -> ActionBody | None:
    """What a form says of the action that it is part of.

    Raises:
        UsageError: it is not the JSON of one.
    """
    try:
        return None if text is None else ActionBody.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"`action` cannot be read: {error.errors()[0]['msg']}") from error


def bound_keys(metadata: Iterable[Mapping[str, str]], limit: int) -> None:
    """Refuse a request whose references have more metadata keys than a gallery may have.

    Raises:
        TooManyKeys: they have.
    """
    keys = {key for meta in metadata for key in meta}
    if len(keys) > limit:
        raise TooManyKeys(sorted(keys)[limit:], limit)


def _incoming(upload: Upload, item: Item, form: AddForm, shared: dict[str, str]) -> Incoming:
    label = item.label or form.label
    if label is None:
        raise UsageError(f"{upload.name!r} has no label: give `label`, or one in `items`")
    return Incoming(
        source=item.source or upload.name,
        label=label,
        group=item.group or form.group,
        meta=shared | clean_meta(item.meta),
        data=upload.data,
    )


def _items(form: AddForm, n: int) -> list[Item]:
    if form.items is None:
        return [Item()] * n
    try:
        items = _ITEMS.validate_json(form.items)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"`items` cannot be read: {where}: {first['msg']}") from error
    if len(items) != n:
        raise UsageError(f"`items` has {len(items)} entries for {n} images")
    return items


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"cannot read set {text!r}: write key=value")
    return key.strip(), value.strip()
