"""Pictures without a label, with their vectors: what `curate discover` and `curate next` look at.

They come from folders, from the queries that a service keeps for review, or from a file of
vectors. Each picture is there once, whatever its names; those that are references already are left
out, since they have a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate.embedding import Listen, Picture, Unlabelled, Unread, embedded, stacked
from holotype.errors import UsageError
from holotype.images.files import read_file
from holotype.images.finding import LeftOut, Unreadable, find_runs
from holotype.intake.vector_file import exported_space, pages
from holotype.intake.vectors import checked_vectors, id_of_name, vector_ids
from holotype.intake.words import readable
from holotype.outcomes import FileOutcome, Outcome
from holotype.review_queue import ReviewQueue

if TYPE_CHECKING:
    from holotype.access import Access
    from holotype.references import Vectors

REVIEW_PAGE: Final = 1000


def read_folders(
    access: Access, paths: Sequence[Path], *, listen: Listen = lambda _done, _total: None
) -> Unlabelled:
    """The pictures below these folders, and single files.

    Raises:
        UsageError: a path does not exist, or the gallery holds vectors that come from elsewhere.
        GalleryMissing: there is no gallery yet.
        EncoderMismatch, FingerprintMismatch, EncoderError: pictures have to be embedded, and the
            gallery's encoder cannot be had here.
    """
    left_out = LeftOut()
    files = list(_files(paths, left_out))
    sources = [
        Unread(readable(file.absolute()), partial(read_file, file), file=file) for file in files
    ]
    return replace(embedded(access, sources, listen), left_out=left_out)


def read_queue(access: Access, *, listen: Listen = lambda _done, _total: None) -> Unlabelled:
    """The queries in doubt that a service keeps, or kept, for review.

    Through a service, a picture comes as the large JPEG that people look at, whose vector is near
    that of its file and not the same.

    Raises:
        ServiceError: the queue cannot be read.
        GalleryMissing, UsageError, EncoderError: see `read_folders`.
    """
    service = access.service
    if service is not None:
        kept = [(str(one["id"]), str(one["query"])) for one in service.kept_queries()]
        sources = [
            Unread(name, partial(service.kept_image, id_), known_as=f"large {id_}", queued=id_)
            for id_, name in kept
        ]
        return embedded(access, sources, listen)
    with review_queue(access) as queue:
        sources = [
            Unread(one.query, partial(queue.picture, one.id), known_as=one.id, queued=one.id)
            for one in _all_of(queue)
        ]
        return embedded(access, sources, listen)


def read_vectors(access: Access, file: Path) -> Unlabelled:
    """The rows of a Parquet or npz file with the column `vector`, and maybe `id`.

    A row is named by its column `source`, `path`, `name` or `id`, the first that there is.

    Raises:
        UsageError: the file cannot be read, or lacks its column.
        FingerprintMismatch: it is an export of another embedding space.
        GalleryMissing: there is no gallery yet.
    """
    if not file.is_file():
        raise UsageError(f"no such file of vectors: {file}")
    exported = exported_space(file) if file.suffix.lower() == ".parquet" else None
    space = access.space(None, exported=exported)
    rows: dict[str, tuple[Picture, Vectors]] = {}
    refused: list[FileOutcome] = []
    number = 0
    for page in pages(file, required=("vector",)):
        vectors, problems = checked_vectors(page["vector"], space.dimension)
        own_ids = vector_ids(vectors, space)
        for row, (vector, own_id) in enumerate(zip(vectors, own_ids, strict=True)):
            number += 1
            name = _name_of(page, row) or f"{readable(file.absolute())} row {number}"
            if row in problems:
                refused.append(FileOutcome(name, Outcome.FAILED, reason=f"it {problems[row]}"))
                continue
            given = page["id"][row] if "id" in page else None
            id_ = id_of_name(str(given)) if given else own_id
            rows.setdefault(id_, (Picture(id_, name), vector))
    labelled = access.gallery.existing(list(rows))
    chosen = [rows[id_] for id_ in sorted(rows.keys() - labelled.keys())]
    return Unlabelled(
        [picture for picture, _ in chosen],
        stacked([vector for _, vector in chosen], space.dimension),
        refused=refused,
        in_gallery=len(labelled),
        repeated=number - len(refused) - len(rows),
    )


@contextmanager
def review_queue(access: Access) -> Iterator[ReviewQueue]:
    """The queue that lies beside a gallery which is opened here."""
    settings = access.settings
    queue = ReviewQueue(settings.home / access.gallery.gallery / "review", limit=0)
    try:
        yield queue
    finally:
        queue.close()


def _files(paths: Iterable[Path], left_out: LeftOut) -> Iterator[Path]:
    for run in find_runs(paths, left_out):
        if isinstance(run, Unreadable):
            yield run.path  # reading it gives the reason
        else:
            yield from map(Path, run)


def _all_of(queue: ReviewQueue) -> Iterator[Any]:
    after = None
    while True:
        page = queue.page(limit=REVIEW_PAGE, after=after)
        yield from page.items
        after = page.next_after
        if after is None:
            return


def _name_of(page: Any, row: int) -> str | None:
    for column in ("source", "path", "name", "id"):
        if column in page and page[column][row]:
            return readable(str(page[column][row]))
    return None
