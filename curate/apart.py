"""Curation in a child process, beside a service that goes on answering (see `head.process`).

The vectors are exported into a file that both processes map, a batch at a time.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from head.process import UnnamedFiles, follow
from head.steps import Standing, Tell
from holotype.columns import exported
from holotype.errors import EmptyGallery, HolotypeError
from holotype.references import VectorBatch

if TYPE_CHECKING:
    from holotype.access import AnyStore

COMMAND = (sys.executable, "-m", "curate.child")

READING = 0.2
"""Share of the whole that reading the gallery is said to be."""


def curate_apart(
    gallery: AnyStore,
    kind: str,
    options: Mapping[str, Any],
    *,
    folder: Path | None = None,
    tell: Tell,
    look: Callable[[], None],
) -> dict[str, Any]:
    """What `curate.work.WORK[kind]` finds in a gallery, worked out in a process of its own.

    Args:
        gallery: read here; the child does not open it.
        kind: a key of `WORK`.
        options: of that work, as JSON has them.
        folder: on a disk with room for the vectors, where it is there.
        tell: told how far it is.
        look: called again and again; what it raises ends the run.

    Raises:
        EmptyGallery: it holds no references.
        DiskFull: there is no room.
        HolotypeError: what the work raised, or `look`; or the child ended before it was done.
    """
    files = UnnamedFiles(folder, HolotypeError)
    total = gallery.count()
    if not total:
        raise EmptyGallery(
            f"gallery {gallery.gallery!r} holds no references: add some with `ingest add` first"
        )

    def heard(read: int) -> None:
        look()
        tell(Standing("reading the references", READING * min(1.0, read / total)))

    try:
        with files.writing():
            vectors, task, result = (files.new() for _ in range(3))
            columns = exported(gallery, lambda batches: _write(batches, vectors, heard))
            asked = {"kind": kind, "options": options, "columns": columns}
            task.write(json.dumps(asked).encode())
            task.flush()
        handed = [vectors, task, result]
        follow(COMMAND, handed, tell=lambda s: tell(_after(s)), look=look, failure=_failure)
        return _found(result)
    finally:
        files.close()


def _write(
    batches: Iterable[VectorBatch], file: IO[bytes], heard: Callable[[int], None]
) -> dict[str, list[Any]]:
    """Vectors into the file, from its beginning; returns the other columns."""
    file.seek(0)
    file.truncate()
    columns: dict[str, list[Any]] = {"ids": [], "labels": [], "groups": []}
    for batch in batches:
        heard(len(columns["ids"]))
        file.write(batch.vectors.data)
        for name, column in columns.items():
            column.extend(getattr(batch, name))
    file.flush()
    return columns


def _after(standing: Standing) -> Standing:
    """What the child says is of the part that comes after the reading."""
    return Standing(standing.step, READING + (1 - READING) * standing.share)


def _found(result: IO[bytes]) -> dict[str, Any]:
    result.seek(0)
    try:
        return dict(json.loads(result.read()))
    except (ValueError, TypeError) as error:
        raise _failure(f"left nothing that can be read: {error}") from None


def _failure(what: str) -> HolotypeError:
    return HolotypeError(
        f"the curation process {what}: nothing was changed; start it again, and look into the "
        "service's log if it happens again"
    )
