"""What must hold before an engine sees it.

Both adapters check here first, because an operation that the embedded engine refuses is
already in its write-ahead log and comes back after a crash, and because both engines take
NaN vectors without a word and never return them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from holotype.errors import HeadError, InvalidReference, UnknownFilterKey, UsageError
from holotype.heads import StoredHead
from holotype.references import (
    META_KEY,
    EmbeddedReference,
    Reference,
    Vectors,
    Where,
    reference_id,
    too_many_keys,
)

UNIT_TOLERANCE = 1e-3
"""How far a vector's length may be from 1 (float32 rounding stays below 1e-6)."""

MAX_TEXT_BYTES = 16_384
"""Of a label, group, source or metadata value in UTF-8; each is indexed whole. No path that
Linux accepts is longer than 4,096 bytes."""


def check_references(
    references: Sequence[EmbeddedReference], dimension: int
) -> list[EmbeddedReference]:
    """Refuse the whole call if one reference is malformed.

    Args:
        references: as given to `add`.
        dimension: D of the gallery.

    Returns:
        One item per id, in the order of their first occurrence; the last one given wins.

    Raises:
        InvalidReference: names the reference and what is wrong with it.
    """
    for item in references:
        problem = reference_problem(item.reference) or _shape_problem(item.vector, dimension)
        if problem is not None:
            raise _invalid(item.reference, problem)
    if references:
        _check_lengths(references)
    return list({item.reference.id: item for item in references}.values())


def check_meta_keys(
    references: Sequence[EmbeddedReference], known: Collection[str], *, limit: int
) -> None:
    """Refuse metadata keys that would be too many for one gallery, before any gets its index.

    Args:
        references: as given to `add`.
        known: filter keys of the gallery.
        limit: metadata keys that it may have.

    Raises:
        InvalidReference: names the reference that is one key too much.
    """
    keys = {key.removeprefix("meta.") for key in known if key.startswith("meta.")}
    for item in references:
        new = item.reference.meta.keys() - keys
        keys |= new
        if new and len(keys) > limit:
            raise _invalid(item.reference, too_many_keys(new, limit))


def check_label(label: str) -> None:
    """Refuse a label that no reference may carry.

    Raises:
        InvalidReference: it is empty, far too long or no valid text.
    """
    problem = _text_problem("label", label)
    if problem is not None:
        raise InvalidReference(f"cannot use this label: {problem}; nothing was written")


def check_group(group: str | None) -> None:
    """Refuse a group that no reference may carry.

    Raises:
        InvalidReference: it is empty, far too long or no valid text.
    """
    problem = None if group is None else _text_problem("group", group)
    if problem is not None:
        raise InvalidReference(f"cannot use this group: {problem}; nothing was written")


def check_marks(marks: Mapping[str, str]) -> None:
    """Refuse marks that cannot come back as they are.

    Raises:
        InvalidReference: names the reference, and what is wrong with its mark.
    """
    for id_, mark in marks.items():
        problem = _text_problem("mark", mark)
        if problem is not None:
            raise InvalidReference(f"reference {id_}: {problem}; nothing was written")


def check_keys(keys: Iterable[str], known: Collection[str]) -> None:
    """Refuse a filter on a key that has no index: the engine would scan without a word.

    Raises:
        UnknownFilterKey: names the key and those that exist.
    """
    for key in keys:
        if key not in known:
            raise UnknownFilterKey(key, sorted(known))


def check_query(vectors: Vectors, *, dimension: int, k: int) -> Vectors:
    """Queries as (Q, D) float32.

    Raises:
        UsageError: k is below 1.
        InvalidReference: wrong shape, or not finite.
    """
    if k < 1:
        raise UsageError(f"k must be at least 1, not {k}")
    queries = np.ascontiguousarray(vectors, dtype=np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise InvalidReference(
            f"queries must be (Q, {dimension}) like the gallery's vectors, not {queries.shape}"
        )
    if not np.isfinite(queries).all():
        raise InvalidReference("a query vector is not finite: the encoder failed on its image")
    return queries


def check_selection(ids: Iterable[str], where: Where) -> list[str]:
    """The ids of a relabelling or removal, which selects by ids or by a filter.

    Raises:
        UsageError: both were given, so that it is unclear what is meant.
    """
    chosen = list(ids)
    if chosen and where:
        raise UsageError("name references by ids or by a filter, not by both")
    return valid_ids(chosen)


def valid_ids(ids: Iterable[str]) -> list[str]:
    """Those that can be the id of a reference, each once, in order.

    Anything else cannot be in a gallery, so it is absent rather than an error; the
    engines would refuse it.
    """
    return [text for text in dict.fromkeys(ids) if _is_uuid(text)]


def vector_problem(vector: Vectors, dimension: int) -> str | None:
    """What no stored vector may be like; None where there is nothing."""
    problem = _shape_problem(vector, dimension)
    if problem is not None:
        return problem
    length = float(np.linalg.norm(vector))
    # Written so that NaN, which compares false with everything, is wrong too.
    return None if abs(length - 1.0) <= UNIT_TOLERANCE else f"its vector has length {length:.6g}"


def check_head(head: StoredHead, dimension: int) -> None:
    """Refuse a head whose numbers or record cannot come back as they are.

    Raises:
        HeadError: names the version and what is wrong with it.
    """
    problem = _record_problem(head) or next(
        filter(None, (_block_problem(n, b, dimension + 1) for n, b in head.blocks.items())), None
    )
    if problem is not None:
        raise HeadError(f"cannot store head {head.record.version!r}: {problem}")


def _invalid(reference: Reference, problem: str) -> InvalidReference:
    return InvalidReference(
        f"reference {reference.id} ({reference.source!r}): {problem}; "
        "nothing of this batch was written"
    )


def reference_problem(reference: Reference) -> str | None:
    """What no stored reference may be like; None where there is nothing."""
    texts = [("label", reference.label), ("source", reference.source)]
    if reference.group is not None:
        texts.append(("group", reference.group))
    if reference.dismissed is not None:
        texts.append(("mark", reference.dismissed))
    problems = (_text_problem(name, text) for name, text in texts)
    problem = next(filter(None, problems), None) or _meta_problem(reference.meta)
    if problem is not None:
        return problem
    if reference.is_vector:  # whoever has no file may have brought its own id
        return None if _is_uuid(reference.id) else f"its id {reference.id!r} is no UUID"
    if reference.id != reference_id(reference.sha256):
        return f"its id is not the one of the picture with sha256 {reference.sha256!r}"
    if reference.width < 1 or reference.height < 1:
        return f"its size is {reference.width} x {reference.height} pixels"
    return None


def _text_problem(name: str, text: str) -> str | None:
    if not text.strip():
        return f"its {name} is empty"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"its {name} {text!r} is not valid Unicode"
    return f"its {name} is longer than {MAX_TEXT_BYTES} bytes" if size > MAX_TEXT_BYTES else None


def _meta_problem(meta: Mapping[str, str]) -> str | None:
    for key, value in meta.items():
        if not META_KEY.fullmatch(key):
            return f"metadata key {key!r} is not up to 64 letters, digits, '_' and '-'"
        if not isinstance(value, str):
            return f"metadata {key!r} is {value!r}, not a string"
        problem = _text_problem(f"metadata {key!r}", value) if value else None
        if problem is not None:
            return problem
    return None


def _shape_problem(vector: Vectors, dimension: int) -> str | None:
    if vector.dtype != np.float32:
        return f"its vector is {vector.dtype}, not float32"
    if vector.shape != (dimension,):
        return f"its vector has shape {vector.shape}, the gallery's have ({dimension},)"
    return None


def _check_lengths(references: Sequence[EmbeddedReference]) -> None:
    lengths = np.linalg.norm(np.stack([item.vector for item in references]), axis=1)
    # Written so that NaN, which compares false with everything, is wrong too.
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE))
    if wrong.size:
        first = int(wrong[0])
        raise _invalid(
            references[first].reference, f"its vector has length {lengths[first]:.6g}, not 1"
        )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _record_problem(head: StoredHead) -> str | None:
    if not head.record.version:
        return "its version is empty"
    if not head.blocks:
        return "it has no blocks"
    try:
        json.dumps(head.record.report, allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"its report is not JSON ({error})"
    return None


def _block_problem(name: str, block: Vectors, columns: int) -> str | None:
    if block.dtype != np.float32 or block.ndim != 2 or block.shape[1] != columns:
        return f"block {name!r} is {block.dtype} {block.shape}, not float32 (rows, {columns})"
    return None if np.isfinite(block).all() else f"block {name!r} is not finite"
