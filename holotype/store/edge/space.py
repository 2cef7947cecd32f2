"""The folder of an embedded gallery.

    HOME/<gallery>/
        owner.lock, owner.json     who uses it now (`holotype.store.lock`)
        gallery.json               format, fingerprint; written last, so it marks a whole gallery
        spaces/<fingerprint id>/
            references/            a shard: vectors of D, Cosine
            heads/                 a shard: rows of D + 1, Dot

A gallery without `gallery.json` is one whose creation was interrupted before it held
anything; the next creation starts over.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as qe

from holotype.errors import GalleryMissing, StoreError
from holotype.fingerprint import Fingerprint
from holotype.store.edge.shard import ALWAYS_KB, NEVER_KB, Layout, Shard
from holotype.store.files import read_json, sync_folder, write_json
from holotype.store.head_payload import KIND, VERSION
from holotype.store.payload import CHANGED_AT, KEYWORD_KEYS

FORMAT = 1
GALLERY_FILE = "gallery.json"


@dataclass(frozen=True, slots=True)
class Space:
    """The two open shards of a gallery and what makes their vectors comparable."""

    fingerprint: Fingerprint
    references: Shard
    heads: Shard

    def flush(self) -> None:
        """Bring both to the disk."""
        self.references.flush()
        self.heads.flush()

    def close(self) -> None:
        """Flush and close both; calling it twice is fine."""
        try:
            self.references.close()
        finally:
            self.heads.close()


def read_fingerprint(folder: Path) -> Fingerprint | None:
    """The gallery's fingerprint; None where there is no whole gallery in `folder`.

    Raises:
        StoreError: `gallery.json` is damaged or of a newer version of Holotype.
    """
    path = folder / GALLERY_FILE
    try:
        data = read_json(path)
        if data is None:
            return None
        if data["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {data['format']}, this version of Holotype reads {FORMAT}: "
                "use the version that made it, or a newer one"
            )
        return Fingerprint.from_dict(data["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): restore it from a backup") from error


def gallery_missing(gallery: str) -> GalleryMissing:
    """The error for a gallery that is not there."""
    return GalleryMissing(
        f"gallery {gallery!r} does not exist yet: add references with `ingest add`"
    )


def create_space(folder: Path, fingerprint: Fingerprint) -> Space:
    """Create a gallery in `folder`, which this process owns, or start an interrupted one over."""
    place = _place(folder, fingerprint)
    shutil.rmtree(place, ignore_errors=True)
    space = Space(
        fingerprint=fingerprint,
        references=_create(place, _references(fingerprint)),
        heads=_create(place, _heads(fingerprint)),
    )
    for key in KEYWORD_KEYS:
        space.references.index(key, qe.PayloadSchemaType.Keyword)
    space.references.index(CHANGED_AT, qe.PayloadSchemaType.Integer)
    for key in (KIND, VERSION):
        space.heads.index(key, qe.PayloadSchemaType.Keyword)
    space.flush()
    for made in (place, place.parent, folder):
        sync_folder(made)
    write_json(folder / GALLERY_FILE, {"format": FORMAT, "fingerprint": fingerprint.to_dict()})
    return space


def open_space(folder: Path, fingerprint: Fingerprint, *, after_crash: bool = False) -> Space:
    """Reopen the gallery in `folder`, which this process owns.

    Args:
        folder: made by `create_space`.
        fingerprint: the gallery's.
        after_crash: the last owner did not close it. What it wrote without a flush comes
            back from the engine's log; it is flushed here, because from now on it is there
            and will be reported as such.
    """
    references = _load(folder, fingerprint, _references(fingerprint))
    try:
        heads = _load(folder, fingerprint, _heads(fingerprint))
    except BaseException:
        references.close()
        raise
    space = Space(fingerprint=fingerprint, references=references, heads=heads)
    if after_crash:
        space.flush()
    return space


def index_references(folder: Path, fingerprint: Fingerprint) -> tuple[int, int]:
    """Build the search index of the gallery in `folder`, which this process owns.

    Returns:
        References, and how many of them are indexed now.
    """
    layout = _references(fingerprint)
    shard = _load(folder, fingerprint, layout, index_from_kb=ALWAYS_KB)
    try:
        shard.build_index()
    finally:
        shard.close()
    shard = _load(folder, fingerprint, layout, index_from_kb=NEVER_KB)
    try:
        return shard.count(), shard.indexed_vectors()
    finally:
        shard.close()


def _references(fingerprint: Fingerprint) -> Layout:
    return Layout("references", fingerprint.dimension, qe.Distance.Cosine)


def _heads(fingerprint: Fingerprint) -> Layout:
    # Dot, because Cosine would normalise what it stores: a head's rows are numbers.
    return Layout("heads", fingerprint.dimension + 1, qe.Distance.Dot)


def _place(folder: Path, fingerprint: Fingerprint) -> Path:
    return folder / "spaces" / fingerprint.id


def _create(place: Path, layout: Layout) -> Shard:
    (place / layout.name).mkdir(parents=True)
    return Shard.create(place / layout.name, layout)


def _load(
    folder: Path, fingerprint: Fingerprint, layout: Layout, *, index_from_kb: int | None = None
) -> Shard:
    place = _place(folder, fingerprint) / layout.name
    return Shard.load(place, layout, index_from_kb=index_from_kb)
